# SPDX-License-Identifier: MIT
# Loads with a known answer: what a machine computes with integers, x87, SSE and whatever else its
# CPU offers. Sourced by busybox's shell, in the guest and on the host; both must print the same.
# $T is the folder with the packages' files, $PART which loads to run.
LC_ALL=C
PERL_HASH_SEED=0
OPENSSL_CONF=/dev/null
export LC_ALL PERL_HASH_SEED OPENSSL_CONF
LIBS=$T/lib/x86_64-linux-gnu:$T/usr/lib/x86_64-linux-gnu

run() {
    "$T/lib64/ld-linux-x86-64.so.2" --library-path "$LIBS" "$@"
}

# say NAME: its input's digest
say() {
    digest=$(sha256sum | cut -c1-32)
    [ $digest = e3b0c44298fc1c149afbf4c8996fb924 ] && digest="has no output"
    echo "$1 $digest"
}

busybox_loads() {
    for tool in md5sum sha1sum sha256sum sha512sum sha3sum; do
        seq 1 30000 | $tool | say $tool
    done
    seq 1 40000 | gzip -9 | gunzip | say gzip
    seq 1 20000 | bzip2 | bunzip2 | say bzip2
    seq 1 20000 | bzip2 | say bzip2-packed
    seq 1 20000 | sort -r | sort -n | say sort
    seq 1 5000 | sed 's/\(.\)\(.\)/\2\1/g' | tr 0-9 5-90-4 | rev | say text
    awk 'BEGIN { x = 1; for (i = 1; i < 9000; i++) { x = x * 1.0000001 / 3 + i / 7; s += x * x / (i + 0.3)
        printf "%.17g %.9e %x\n", s, x / s, i * 2654435 % 65536 } }' | say awk
    echo '2 1000 ^ 3 300 ^ * p 40 k 2 v p 7 3 / p' | dc | say dc
}

perl_loads() {
    run "$T/usr/bin/perl" -I "$T/usr/lib/x86_64-linux-gnu/perl-base" -e '
        my ($s, %h, @a) = (1);
        for my $i (1 .. 60000) {
            $s = ($s * 6364136223846793005 + 1442695040888963407) & 0xffffffffffffffff
                if !($i % 3);
            { use integer; $s = $s * 25214903917 + 11; }
            $h{$s % 997} .= chr(65 + $i % 26);
            push @a, sin($i) * exp(-$i / 1e4) + sqrt($i) ** 1.3 + atan2($i, 3) if !($i % 7);
        }
        printf "%s=%s\n", $_, unpack("%32C*", $h{$_}) for sort keys %h;
        printf "%.17g %a\n", $_, $_ for (sort { $a <=> $b } @a)[0 .. 2000];
        my $t = join " ", map { sprintf "%b", $_ } 1 .. 3000;
        my $n = () = $t =~ /1(01)+0/g;
        (my $u = $t) =~ s/(1+)(0+)/$2$1/g;
        print "$n ", unpack("%32C*", $u), " ", join(",", unpack("nNvVwqd>f<",
            pack("nNvVwqd>f<", 1, 2, 3, 4, 5, -6, 7.25, 8.5))), "\n";' | say perl
}

# Many digits by GMP and MPFR.
gawk_loads() {
    run "$T/usr/bin/gawk" -M -v PREC=2000 'BEGIN {
        f = 1; for (i = 2; i < 400; i++) f *= i; print f; print 7 ^ 900 % 10 ^ 40
        for (i = 1; i < 30; i++) printf "%.500f\n", atan2(1, i) * exp(sin(i) + log(i)) / sqrt(i) }' |
        say gawk
}

openssl_digests() {
    for digest in $(run "$T/usr/bin/openssl" list -digest-commands); do
        seq 1 9000 | run "$T/usr/bin/openssl" dgst "-$digest" 2>/dev/null
    done | say "digests$1"
}

openssl_ciphers() {
    key=00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0
    for cipher in $(run "$T/usr/bin/openssl" list -cipher-commands); do
        echo "$cipher"
        seq 1 3000 | run "$T/usr/bin/openssl" enc "-$cipher" -K $key -iv $key 2>/dev/null | md5sum
    done | say "ciphers$1"
}

# Signatures that have no random part; an EC one is only checked.
openssl_keys() {
    seq 1 900 > message
    for key in rsa ed25519 ed448; do
        raw=$([ $key = rsa ] || echo -rawin)
        run "$T/usr/bin/openssl" pkeyutl -sign -inkey "$T/keys/$key" ${raw:--rawin -digest sha256} \
            -in message 2>/dev/null | say "$key$1"
    done
    for key in p256 p521 k1; do
        run "$T/usr/bin/openssl" dgst -sha256 -sign "$T/keys/$key" -out signature message
        run "$T/usr/bin/openssl" dgst -sha256 -prverify "$T/keys/$key" -signature signature message
    done
}

# Less and less of what the CPU offers: no AVX-512, no AVX2 and BMI, no AVX, no AES and CLMUL, SSE2.
openssl_loads() {
    openssl_digests
    openssl_ciphers
    openssl_keys
    for mask in :~0xc0230000 :~0xdc2b0128 ~0x1000000000000000:0 ~0x1a00000200000000:0 0x7000000:0; do
        OPENSSL_ia32cap=$mask
        export OPENSSL_ia32cap
        openssl_digests "-$mask"
        openssl_keys "-$mask"
        [ "$PART" = short ] || openssl_ciphers "-$mask"
    done
    unset OPENSSL_ia32cap
}

python_loads() {
    PYTHONHOME=$T/usr
    export PYTHONHOME
    for module in math cmath float complex long int struct hashlib zlib binascii decimal \
        statistics random array memoryview re json pickle bytes unicode sort heapq; do
        run "$T/usr/bin/python3.11" -m test -q test_$module 2>&1 |
            grep -q "SUCCESS\|Tests result: SUCCESS" && echo "python test_$module passes"
    done
}

busybox_loads
perl_loads
gawk_loads
openssl_loads
[ "$PART" = short ] || python_loads
echo "loads done"
