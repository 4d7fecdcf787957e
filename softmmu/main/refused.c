/* SPDX-License-Identifier: MIT */
/* Options of QEMU, of today and of old, that are not offered: why, and what is instead. */
#include "softmmu/main/options.h"

#define DISPLAY "there is no graphical display; -display none and -nographic are offered"
#define NETWORK "network back ends are not offered; -nic none is"
#define SOUND "sound is not offered"
#define MIGRATION "saving and loading of machines is not offered"
#define USB "USB is not offered"
#define FLOPPY "floppy disks are not offered"
#define XEN "Xen is not offered; -accel kvm and -accel tcg are"
#define BOARD "this machine has no such part"
#define SHARED "shared folders are not offered"
#define COUNTING "counting of instructions is not offered: guest time is that of the host"

const OptionRow refused_rows[] = {
    {"vnc", "", .refused = DISPLAY},
    {"spice", "", .refused = DISPLAY},
    {"sdl", .refused = DISPLAY},
    {"curses", .refused = DISPLAY},
    {"full-screen", .refused = DISPLAY},
    {"portrait", .refused = DISPLAY},
    {"rotate", "", .refused = DISPLAY},

    {"netdev", "", .refused = NETWORK},
    {"tftp", "", .refused = NETWORK},
    {"bootp", "", .refused = NETWORK},
    {"redir", "", .refused = NETWORK},
    {"smb", "", .refused = NETWORK},

    {"audio", "", .refused = SOUND},
    {"audio-help", .refused = SOUND},
    {"soundhw", "", .refused = SOUND},

    {"incoming", "", .refused = MIGRATION},
    {"loadvm", "", .refused = MIGRATION},
    {"only-migratable", .refused = MIGRATION},
    {"dump-vmstate", "", .refused = MIGRATION},

    {"usbdevice", "", .refused = USB},

    {"fda", "", .refused = FLOPPY},
    {"fdb", "", .refused = FLOPPY},
    {"blockdev", "", .refused = "block graphs are not offered; -drive is"},
    {"iscsi", "", .refused = "iSCSI is not offered; -drive file= opens what the host has attached"},
    {"snapshot", .refused = "temporary overlays are not offered"},
    {"hdachs", "", .refused = "it is gone; -device ide-hd has cyls=, heads= and secs="},
    {"pflash", "", .refused = "flash memory is not offered; -bios is"},
    {"mtdblock", "", .refused = BOARD},
    {"sd", "", .refused = BOARD},
    {"dtb", "", .refused = "a PC has no device tree"},
    {"tpmdev", "", .refused = "a TPM is not offered"},
    {"fsdev", "", .refused = SHARED},
    {"virtfs", "", .refused = SHARED},
    {"virtfs_synth", .refused = SHARED},

    {"balloon", "", .refused = "a balloon is not offered"},
    {"watchdog", "", .refused = "it is no option any more; -device ib700 adds a watchdog"},
    {"icount", "", .refused = COUNTING},
    {"plugin", "", .refused = "plugins are not offered"},
    {"dfilter", "", .refused = "filtering the log by address is not offered"},
    {"preconfig", .refused = "the machine is made at once; -S starts it paused"},
    {"qtest", "", .refused = "the protocol of QEMU's own tests is not offered"},
    {"qtest-log", "", .refused = "the protocol of QEMU's own tests is not offered"},
    {"writeconfig", "", .refused = "it is gone; -dump-config prints the options instead"},

    {"xen-domid", "", .refused = XEN},
    {"xen-attach", .refused = XEN},
    {"xen-create", .refused = XEN},
    {"xen-domid-restrict", .refused = XEN},
    {NULL},
};
