//! Commands that are refused by name: a shut, empty file stands where a program would be, so that a shell says
//! "Permission denied" as the documents have it, and not that there is no such command.
//!
//! The names are these on every machine: what the host has installed is nothing to the code. A name that is not here is
//! not found.

use std::path::{Path, PathBuf};

use super::tree::Tree;

/// Of POSIX, the GNU tools, and what such systems usually have. No reason per name: all have the one above.
const USER: &str = "
    arch awk b2sum base32 base64 basename basenc bash bc bunzip2 busybox bzcat bzip2 cal cat chacl chage chattr chcon chfn
    chgrp chmod chown chsh cksum clear cmp column comm compress cp cpio crontab csh csplit curl cut dash date dbus-send dc
    dd df diff diff3 dig dir dircolors dirname dmesg docker du echo ed egrep emacs env ex expand expect expr factor
    fallocate false fgrep file find fish flock fmt fold free ftp fuser gawk getent getfacl getopt gpg grep groups gunzip
    gzip head hexdump host hostname hostnamectl iconv id install ionice ip ipcmk ipcrm ipcs jobs join journalctl jq kill
    killall ksh last ldd less link ln locale locate logger login logname ls lsattr lsblk lscpu lsns lsof lsusb lzma m4
    mail make man mawk md5sum mesg mkdir mkfifo mknod mktemp more mount mountpoint mv namei nano nawk nc ncat netcat netstat
    newgrp nice nl nmap nohup nproc nsenter nslookup numfmt od openssl parallel passwd paste patch pathchk pgrep ping pinky
    pkexec pkill podman pr printenv printf prlimit ps ptx pwd rbash readlink realpath rename renice reset rev rlogin rm rmdir
    rsh rsync run-parts runcon scp screen script sdiff sed seq setarch setfacl setpriv setsid sftp sg sh sha1sum sha224sum
    sha256sum sha384sum sha512sum shred shuf sleep socat sort split ss ssh ssh-add ssh-agent ssh-keygen stat stdbuf strace
    strings stty su sudo sum sync systemctl systemd-run tac tail tar taskset tee telnet test tftp time timeout tmux top touch
    toybox tr traceroute tree truncate tsort tty uname uncompress unexpand uniq unlink unshare unxz unzip uptime users vdir
    vi vim vmstat w wait watch wc wget whereis which who whoami xargs xxd xz xzcat yes zcat zgrep zip zsh zstd

    apk apt apt-cache apt-get aptitude brew cargo conda dnf dpkg dpkg-query flatpak gem go npm npx nvm pacman pip pip3
    pipx poetry rpm rustc rustup snap uv yarn yum

    addr2line ar as bun c++ c89 c99 cc clang clang++ cmake cpp deno g++ gcc gdb git git-receive-pack git-shell
    git-upload-archive git-upload-pack guile java javac ld lua ltrace ninja nm node nodejs objcopy objdump perf perl php
    python python2 python3 ranlib readelf ruby tclsh valgrind

    aws az createdb gcloud helm kubectl mongo mysql mysqldump pg_dump psql redis-cli sqlite3 vault
";

/// Of the superuser.
const ADMINISTRATOR: &str = "
    adduser arp badblocks blkid blockdev bridge chpasswd chroot cron ctrlaltdel debugfs deluser depmod dmsetup e2fsck fdisk
    fsck fsfreeze fstrim getcap getpcaps groupadd groupdel groupmod halt hwclock ifconfig ifdown ifup init insmod ip ip6tables
    iptables kexec killall5 ldconfig losetup lsmod lvm mkfs mkswap modinfo modprobe mount nft nologin parted pidof pivot_root
    poweroff reboot resize2fs rmmod route rtcwake runlevel runuser service setcap shutdown sshd start-stop-daemon sulogin
    swapoff swapon switch_root sysctl tc tcpdump telinit tune2fs umount useradd userdel usermod vipw visudo wipefs zramctl
";

/// Where the shut files stand: wherever the plan has nothing of its own.
pub(super) fn placeholders(tree: &Tree) -> Vec<PathBuf> {
    // Where /bin is a folder and not another name for /usr/bin, programs may be in either.
    let folders = [("/usr/bin", USER), ("/bin", USER), ("/usr/sbin", ADMINISTRATOR), ("/sbin", ADMINISTRATOR)];
    let folders = folders.into_iter().filter(|(folder, _)| !tree.has(Path::new(folder)));
    let paths =
        folders.flat_map(|(folder, names)| names.split_whitespace().map(move |name| Path::new(folder).join(name)));
    let mut paths: Vec<PathBuf> = paths.filter(|path| !tree.has(path)).collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_keeps_its_place() {
        let mut tree = Tree::default();
        tree.host_layout();
        tree.add_link(Path::new("/usr/bin/ls"), Path::new("/opt/ls"));
        let paths = placeholders(&tree);
        assert!(!paths.iter().any(|path| path == Path::new("/usr/bin/ls")));
        assert!(paths.iter().any(|path| path == Path::new("/usr/bin/rm")));
        assert!(paths.iter().any(|path| path.ends_with("sbin/reboot")));
    }
}
