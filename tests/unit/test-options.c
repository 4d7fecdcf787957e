/* SPDX-License-Identifier: MIT */
/* The command line: short options rewrite to the canonical form, wrong ones are explained. */
#include "softmmu/main/options.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static Config *parse(const char *line, Error **err)
{
    g_autofree char *whole = g_strconcat("program ", line, NULL);
    g_auto(GStrv) argv = NULL;
    Config *config = config_new();
    int argc;

    g_assert_true(g_shell_parse_argv(whole, &argc, &argv, NULL));
    if (!config_parse(config, argc, argv, err)) {
        config_free(config);
        return NULL;
    }
    return config;
}

static void test_canonical_form(void)
{
    static const struct {
        const char *line, *text;
    } rows[] = {
        {"-m 512", "-machine memory.size=536870912\n"},
        {"-m 4G", "-machine memory.size=4294967296\n"},
        {"-m size=1.5G", "-machine memory.size=1610612736\n"},
        {"-smp 4,cores=2", "-machine smp.cpus=4\n-machine smp.cores=2\n"},
        {"-M pc,accel=kvm:tcg", "-machine pc,accel=kvm:tcg\n"},
        {"-kernel a,b -append 'x=1 y'", "-machine kernel=a,,b\n-machine 'append=x=1 y'\n"},
        {"-enable-kvm", "-accel kvm\n-accel tcg\n"},
        {"--enable-kvm --m 1", "-accel kvm\n-accel tcg\n-machine memory.size=1048576\n"},
        {"-hda disk.img", "-drive file=disk.img,if=ide,index=0,media=disk\n"},
        {"disk.img", "-drive file=disk.img,if=ide,index=0,media=disk\n"},
        {"-cdrom a,b.iso", "-drive file=a,,b.iso,if=ide,index=2,media=cdrom\n"},
        {"-boot c -boot order=dc,menu=on",
         "-machine boot.order=c\n-machine boot.order=dc,boot.menu=on\n"},
        {"-rtc base=utc,clock=vm", "-machine rtc.base=utc,rtc.clock=vm\n"},
        {"-name x,process=y", "-machine guest-name=x\n-machine process-name=y\n"},
        {"-name guest=a,,b,debug-threads=on",
         "-machine debug-threads=on\n-machine guest-name=a,,b\n"},
        {"-no-reboot -no-shutdown", "-action reboot=shutdown\n-action shutdown=pause\n"},
        {"-nographic", "-machine graphics=off\n-display none\n"},
        {"-usb -no-hpet", "-machine usb=on\n-machine hpet=off\n"},
        {"-S -nodefaults -L /x", "-S\n-nodefaults\n-L /x\n"},
        {"-device x,a=b -global x.a=b", "-device x,a=b\n-global x.a=b\n"},
        {"-m 1G,slots=2,maxmem=2G", "-machine memory.size=1073741824\n-machine memory.slots=2\n"
                                    "-machine memory.max=2147483648\n"},
        {"-runas a:b -chroot /x", "-run-with user=a:b\n-run-with chroot=/x\n"},
        {"-no-kvm -localtime", "-accel tcg\n-machine rtc.base=localtime\n"},
        {"-realtime mlock=off", "-overcommit mem-lock=off\n"},
        {"-no-fd-bootchk", "-machine fd-bootchk=off\n"},
        {"-nodefconfig -no-user-config", "-no-user-config\n-no-user-config\n"},
        {"-device '{\"driver\":\"x\"}'", "-device '{\"driver\":\"x\"}'\n"},
        {"-serial none --dump-config", "-serial none\n"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(Config) config = parse(rows[i].line, &err);
        g_assert_null(err);
        g_autofree char *text = config_text(config);
        g_assert_cmpstr(text, ==, rows[i].text);
        g_autofree char *again = g_strdelimit(g_strdup(text), "\n", ' ');
        g_autoptr(Config) second = parse(again, NULL);
        g_autofree char *same = config_text(second);
        g_assert_cmpstr(same, ==, text); /* the canonical form stands for itself */
    }
}

static void test_errors(void)
{
    static const struct {
        const char *line, *message;
    } rows[] = {
        {"-machien pc", "there is no option '-machien'; did you mean '-machine'?"},
        {"-xyzzy", "there is no option '-xyzzy'"},
        {"--kernle x", "there is no option '-kernle'; did you mean '-kernel'?"},
        {"-m", "-m needs an argument: [size=]MEGS[,slots=N][,maxmem=SIZE]"},
        {"-m abc", "-m abc: 'abc' is not a size"},
        {"-m 1G,slots=x",
         "-m 1G,slots=x: parameter 'slots': 'x' is not a number from 0 to 2^64 - 1"},
        {"-icount 3", "-icount 3: counting of instructions is not offered: guest time is that of "
                      "the host"},
        {"-qtest x", "-qtest x: the protocol of QEMU's own tests is not offered"},
        {"-m ''", "-m : a size is needed, as in -m 512 or -m size=2G"},
        {"-smp 0", "-smp 0: cpus=0 is not between 1 and 255"},
        {"-smp 2,coers=2", "-smp 2,coers=2: unknown parameter 'coers'; did you mean 'cores'?"},
        {"-netdev user,id=n", "-netdev user,id=n: network back ends are not offered; -nic none is"},
        {"-audiodev alsa,id=a", "-audiodev alsa,id=a: sound is not offered; -audiodev none is"},
        {"-audiodev none,x=y", "-audiodev none,x=y: unknown parameter 'x'"},
        {"-gdb", "-gdb needs an argument: DEV"},
        {"a.img b.img", "'b.img' is a second disk image; use -hdb or -drive"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Error) err = NULL;
        g_assert_null(parse(rows[i].line, &err));
        g_assert_cmpstr(error_message(err), ==, rows[i].message);
    }
}

/* -- -readconfig, -set ------------------------------------------------------------------------- */

/* Parses "-readconfig FILE" with that in it, then `more`; %s in *ret_path stands for its path. */
static Config *read_config(const char *lines, const char *more, char **ret_path, Error **err)
{
    char *path = g_strdup("/tmp/test-options-XXXXXX");
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(path, lines, -1, NULL));
    g_autofree char *line = g_strdup_printf("-readconfig %s %s", path, more);
    Config *config = parse(line, err);
    g_assert_cmpint(g_remove(path), ==, 0);
    *ret_path = path;
    return config;
}

static void test_config_file(void)
{
    static const char file[] = "# all of it\n"
                               "[machine]\n"
                               "  type = \"pc\"\n"
                               "\taccel=\"tcg\" # which\n"
                               "\n"
                               "[device \"d0\"]\n"
                               "driver = \"isa-serial\"\n"
                               "chardev = \"a,b\"\n"
                               " [chardev \"a,b\"] \n"
                               "backend = \"null\"\n"
                               "[memory]\n size = \"64\"\n"
                               "[smp-opts]\ncpus = \"2\"\n"
                               "[drive \"d\"]\nfile = \"x\"\nif = \"none\"\n"
                               "[drive \"e\"]\nfile = \"y\"";
    g_autoptr(Error) err = NULL;
    g_autofree char *path = NULL;
    g_autoptr(Config) config = read_config(
        file, "-set drive.d.file=z,1 -set device.d0.index=1 -set drive.e.throttling.x=2", &path,
        &err);

    g_assert_null(err);
    g_autofree char *text = config_text(config);
    g_assert_cmpstr(text, ==,
                    "-machine type=pc,accel=tcg\n"
                    "-device id=d0,driver=isa-serial,chardev=a,,b,index=1\n"
                    "-chardev id=a,,b,backend=null\n"
                    "-machine memory.size=67108864\n"
                    "-machine smp.cpus=2\n"
                    "-drive id=d,file=x,if=none,file=z,,1\n"
                    "-drive id=e,file=y,throttling.x=2\n");
}

static void test_config_file_errors(void)
{
    static const struct {
        const char *file, *more, *message;
    } rows[] = {
        {"[foo]\n", "", "%s:1: there is no option group 'foo'"},
        {"\n[devcie \"x\"]\n", "",
         "%s:2: there is no option group 'devcie'; did you mean 'device'?"},
        {"a = \"b\"\n", "", "%s:1: there is no [GROUP] before this line"},
        {"[rtc]\nbase utc\n", "", "%s:2: a line is KEY = \"VALUE\""},
        {"[rtc]\nbase = utc\n", "", "%s:2: the value of 'base' must stand in double quotes"},
        {"[rtc]\nbase = \"utc\n", "", "%s:2: the value of 'base' must stand in double quotes"},
        {"[rtc]\nbase = \"utc\" x\n", "", "%s:2: 'x' stands behind the value of 'base'"},
        {"[device \"x\n", "", "%s:1: a header is [GROUP] or [GROUP \"ID\"]"},
        {"[device \"x\" y]\n", "", "%s:1: a header is [GROUP] or [GROUP \"ID\"]"},
        {"[device] x\n", "", "%s:1: a header is [GROUP] or [GROUP \"ID\"]"},
        {"\n\n[memory]\nsize = \"x\"\n", "", "%s:3: 'x' is not a size"},
        {"[smp-opts]\ncpus = \"1\"\n\nfoo = \"1\"\n", "", "%s:4: unknown parameter 'foo'"},
        {"", "-set a", "-set a: the form is GROUP.ID.KEY=VALUE"},
        {"", "-set device.x.y", "-set device.x.y: the form is GROUP.ID.KEY=VALUE"},
        {"", "-set device.x.y=1", "-set device.x.y=1: there is no -device with id 'x' before it"},
        {"", "-set machine.x.y=1",
         "-set machine.x.y=1: there is no -machine with id 'x' before it"},
        {"", "-device '{\"driver\":\"d\",\"id\":\"x\"}' -set device.x.y=1",
         "-set device.x.y=1: what is given as JSON cannot be changed"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Error) err = NULL;
        g_autofree char *path = NULL;
        g_assert_null(read_config(rows[i].file, rows[i].more, &path, &err));
        g_auto(GStrv) parts = g_strsplit(rows[i].message, "%s", 2);
        g_autofree char *message =
            parts[1] ? g_strdup_printf("-readconfig %s: %s%s", path, path, parts[1])
                     : g_strdup(parts[0]);
        g_assert_cmpstr(error_message(err), ==, message);
    }
}

static void test_help_ends_parsing(void)
{
    g_autoptr(Config) config = parse("-m 64 --help -no-such-option", NULL);

    g_assert_nonnull(config_last(config, OPT_HELP));
    g_autofree char *help = options_help();
    g_assert_nonnull(strstr(help, "-nographic"));
    g_assert_nonnull(strstr(help, "-device TYPE"));
    g_assert_null(strstr(help, "-netdev"));
}

static void test_defaults(void)
{
    static const struct {
        const char *line, *added;
    } rows[] = {
        {"", "-serial null\n"},
        {"-nodefaults", ""},
        {"-serial none", ""},
        {"-device isa-serial", ""},
        {"-nographic", "-serial mon:stdio\n"},
        {"-machine graphics=off", "-serial mon:stdio\n"},
        {"-nographic -nodefaults", ""},
        {"-nographic -serial null", "-monitor stdio\n"},
        {"-nographic -serial mon:stdio", ""},
        {"-nographic -monitor none", "-serial stdio\n"},
        {"-nographic -machine graphics=on", "-serial null\n"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Config) config = parse(rows[i].line, NULL);
        g_autofree char *before = config_text(config);
        g_assert_true(config_add_defaults(config, NULL));
        g_autofree char *after = config_text(config);
        g_assert_cmpstr(after + strlen(before), ==, rows[i].added);
    }
}

/* Whether the default CD drive is there, where nothing else lies in its place. */
static void test_default_cdrom(void)
{
    static const struct {
        const char *line;
        bool wanted;
    } rows[] = {
        {"", true},
        {"-nodefaults", false},
        {"-hda disk.img -device isa-debug-exit", true},
        {"-cdrom disc.iso", true},
        {"-device ide-cd", false},
        {"-device driver=ide-hd,drive=d", false},
        {"-device '{\"driver\":\"ide-hd\"}'", false},
        {"-global ide-cd.ver=1", false},
        {"-global driver=ide-hd,property=ver,value=1", false},
        {"-global ide-hdd.ver=1", true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Config) config = parse(rows[i].line, NULL);
        g_assert_cmpint(config_wants_cdrom(config), ==, rows[i].wanted);
    }
}

static void test_rows(void)
{
    g_autoptr(Error) err = NULL;

    for (const OptionRow *row = alias_rows; row->name; row++) {
        g_assert_cmpint(row->id, ==, OPT_NONE);
        g_assert_true(row->refused || row->rewrite || row->to);
        g_assert_true(!row->text || !strstr(row->text, "%s") || row->arg);
    }
    for (const OptionRow *row = option_rows; row->name; row++) {
        g_assert_cmpint(row->id, !=, OPT_NONE);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/options/canonical-form", test_canonical_form);
    g_test_add_func("/options/errors", test_errors);
    g_test_add_func("/options/config-file", test_config_file);
    g_test_add_func("/options/config-file-errors", test_config_file_errors);
    g_test_add_func("/options/help-ends-parsing", test_help_ends_parsing);
    g_test_add_func("/options/defaults", test_defaults);
    g_test_add_func("/options/default-cdrom", test_default_cdrom);
    g_test_add_func("/options/rows", test_rows);
    return g_test_run();
}
