use super::*;

/// Every row again, as the registries write it: class, first, last, the address before and the one behind, and whether
/// it is never allowed. `-` where the address space ends.
#[rustfmt::skip] // one row per line
const EXPECTED: &[(&str, &str, &str, &str, &str, bool)] = &[
    ("cloud metadata", "168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17", true),
    ("cloud metadata", "100.100.100.200", "100.100.100.200", "100.100.100.199", "100.100.100.201", true),
    ("cloud metadata", "192.0.0.192", "192.0.0.192", "192.0.0.191", "192.0.0.193", true),
    ("cloud metadata", "fd00:ec2::", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:ec1:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:ec3::", true),
    ("cloud metadata", "fd20:ce::254", "fd20:ce::254", "fd20:ce::253", "fd20:ce::255", true),
    ("cloud metadata", "fd00:42::42", "fd00:42::42", "fd00:42::41", "fd00:42::43", true),
    ("cloud metadata", "fd00:a9fe:a9fe::1", "fd00:a9fe:a9fe::1", "fd00:a9fe:a9fe::", "fd00:a9fe:a9fe::2", true),
    ("unspecified", "0.0.0.0", "0.0.0.0", "-", "0.0.0.1", true),
    ("this network", "0.0.0.1", "0.255.255.255", "0.0.0.0", "1.0.0.0", true),
    ("private", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0", false),
    ("shared address space", "100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0", false),
    ("loopback", "127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0", true),
    ("link-local", "169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0", true),
    ("private", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0", false),
    ("IETF protocol assignments", "192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0", false),
    ("documentation", "192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0", false),
    ("AS112", "192.31.196.0", "192.31.196.255", "192.31.195.255", "192.31.197.0", false),
    ("multicast relay", "192.52.193.0", "192.52.193.255", "192.52.192.255", "192.52.194.0", false),
    ("6to4 relay", "192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0", false),
    ("private", "192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0", false),
    ("AS112", "192.175.48.0", "192.175.48.255", "192.175.47.255", "192.175.49.0", false),
    ("benchmarking", "198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0", false),
    ("documentation", "198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0", false),
    ("documentation", "203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0", false),
    ("multicast", "224.0.0.0", "239.255.255.255", "223.255.255.255", "240.0.0.0", true),
    ("broadcast", "255.255.255.255", "255.255.255.255", "255.255.255.254", "-", true),
    ("reserved", "240.0.0.0", "255.255.255.254", "239.255.255.255", "255.255.255.255", false),
    ("unspecified", "::", "::", "-", "::1", true),
    ("loopback", "::1", "::1", "::", "::2", true),
    ("IPv4-mapped", "::ffff:0.0.0.0", "::ffff:255.255.255.255", "::fffe:ffff:ffff", "::1:0:0:0", true),
    ("IPv4-translated", "::ffff:0:0:0", "::ffff:0:ffff:ffff", "::fffe:ffff:ffff:ffff", "::ffff:1:0:0", true),
    ("IPv4-compatible", "::2", "::255.255.255.255", "::1", "::1:0:0", true),
    ("NAT64", "64:ff9b::", "64:ff9b::255.255.255.255", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::1:0:0", true),
    ("NAT64", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:2::", true),
    ("Teredo", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:1::", true),
    ("6to4", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::", true),
    ("discard", "100::", "100::ffff:ffff:ffff:ffff", "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "100:0:0:1::", false),
    ("dummy", "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", "100::ffff:ffff:ffff:ffff", "100:0:0:2::", false),
    ("PCP anycast", "2001:1::1", "2001:1::1", "2001:1::", "2001:1::2", false),
    ("TURN anycast", "2001:1::2", "2001:1::2", "2001:1::1", "2001:1::3", false),
    ("DNS-SD anycast", "2001:1::3", "2001:1::3", "2001:1::2", "2001:1::4", false),
    ("benchmarking", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2:1::", false),
    ("multicast relay", "2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2:ffff:ffff:ffff:ffff:ffff:ffff", "2001:4::", false),
    ("AS112", "2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff", "2001:4:111:ffff:ffff:ffff:ffff:ffff", "2001:4:113::", false),
    ("ORCHID", "2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:20::", false),
    ("ORCHIDv2", "2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:30::", false),
    ("drone remote ID", "2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:40::", false),
    ("IETF protocol assignments", "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::", false),
    ("documentation", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::", false),
    ("AS112", "2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::", false),
    ("documentation", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::", false),
    ("segment routing", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f01::", false),
    ("unique local", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::", false),
    ("link-local", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::", true),
    ("site-local", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff00::", false),
    ("multicast", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-", true),
    ("reserved", "::1:0:0", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::ffff:ffff", "2000::", false),
    ("reserved", "4000::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "8000::", false),
    ("reserved", "8000::", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::", false),
];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn every_range_begins_and_ends_where_the_registry_says() {
    assert_eq!(EXPECTED.len(), RANGES.len(), "a row without its test");
    for (row, &(class, first, last, before, behind, forbidden)) in RANGES.iter().zip(EXPECTED) {
        assert_eq!(row.class, class);
        for inside in [first, last].map(address) {
            assert_eq!(special(inside), Some(class), "{inside}");
            assert_eq!(never(inside), forbidden.then_some(class), "{inside}");
            assert!(row.network.contains(&inside), "{inside}");
        }
        for outside in [before, behind].into_iter().filter(|text| *text != "-").map(address) {
            let found = range(outside).map(|range| range.network);
            assert_ne!(found, Some(row.network), "{outside} is still {class}");
        }
    }
}

#[test]
fn public_hosts_are_not_special() {
    for text in [
        "1.0.0.0",
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "168.63.129.17",
        "2000::",
        "2001:200::",
        "2001:4860:4860::8888",
        "2003::",
        "2606:4700::1111",
        "2a00::",
        "3ffe::",
        "3fff:1000::",
    ] {
        assert_eq!((special(address(text)), never(address(text))), (None, None), "{text}");
    }
}

/// 2001::/23 and 8000::/1 have parts that are named before them, and 100.64.0.0/10 a hole.
#[test]
fn a_part_is_found_before_the_whole() {
    for (text, class) in [
        ("2001:1::4", "IETF protocol assignments"),
        ("2001:2:1::", "IETF protocol assignments"),
        ("2001:40::", "IETF protocol assignments"),
        ("::ffff:10.0.0.1", "IPv4-mapped"),
        ("::10.0.0.1", "IPv4-compatible"),
        ("2002:7f00:1::1", "6to4"),
        ("64:ff9b::169.254.169.254", "NAT64"),
        ("64:ff9b:1::a00:1", "NAT64"),
        ("fe80::a9fe:a9fe", "link-local"),
        ("fd00:ec2::254", "cloud metadata"),
        ("169.254.169.254", "link-local"),
        ("fe00::", "reserved"),
        ("64:ff9b:2::", "reserved"),
    ] {
        assert_eq!(special(address(text)), Some(class), "{text}");
    }
}

fn network(text: &str) -> Result<PrivateNetwork, InvalidNetwork> {
    text.parse()
}

#[test]
fn private_networks_may_be_allowed() {
    for text in ["10.0.0.0/8", "10.1.2.3/32", "100.64.0.0/10", "192.168.0.0/16", "240.0.0.0/5", "fd00::/8", "fd12::/16"]
    {
        assert_eq!(network(text).unwrap().to_string(), text);
    }
    let tens = network("10.0.0.0/8").unwrap();
    assert!(tens.contains(address("10.255.255.255")) && !tens.contains(address("11.0.0.0")));
    assert!(!tens.contains(address("::ffff:10.0.0.1")) && !tens.contains(address("::10.0.0.1")));
    assert!(tens.covers(&network("10.1.0.0/16").unwrap()) && tens.covers(&tens));
    assert!(!network("10.1.0.0/16").unwrap().covers(&tens) && !tens.covers(&network("fd12::/16").unwrap()));
    // A hole stays one.
    assert!(network("100.64.0.0/10").unwrap().contains(address("100.100.100.200")));
    assert_eq!(never(address("100.100.100.200")), Some("cloud metadata"));
}

#[test]
fn other_networks_are_told_with_the_remedy() {
    for (text, said) in [
        ("", "`` is not a network; write address and prefix length, such as 10.0.0.0/8 or fd12::/16"),
        ("ten", "`ten` is not a network"),
        ("10.0.0.0/33", "`10.0.0.0/33` is not a network"),
        ("10.0.0/8", "`10.0.0/8` is not a network"),
        ("010.0.0.0/8", "`010.0.0.0/8` is not a network"),
        ("10.0.0.0/08", "`10.0.0.0/08` is not a network"),
        ("10.0.0.0/+8", "`10.0.0.0/+8` is not a network"),
        ("10.0.0.0/", "`10.0.0.0/` is not a network"),
        ("10.0.0.0/255.0.0.0", "is not a network"),
        ("10.0.0.0\n/8", r"`10.0.0.0\n/8` is not a network"),
        ("10.0.0.1", "`10.0.0.1` is one address; write `10.0.0.1/32` for it alone"),
        ("fd12::1", "`fd12::1` is one address; write `fd12::1/128`"),
        ("10.1.2.3/8", "`10.1.2.3/8` has an address inside the network; write `10.0.0.0/8`"),
        ("0.0.0.0/0", "includes unspecified addresses (0.0.0.0/32)"),
        ("127.0.0.0/8", "includes loopback addresses (127.0.0.0/8), which no policy can allow"),
        ("127.0.0.1/32", "includes loopback addresses"),
        ("126.0.0.0/7", "includes loopback addresses"),
        ("169.254.0.0/17", "includes link-local addresses"),
        ("224.0.0.0/3", "includes multicast addresses"),
        ("240.0.0.0/4", "includes broadcast addresses"),
        ("0.0.0.0/32", "includes unspecified addresses"),
        ("168.63.129.16/32", "includes cloud metadata addresses"),
        ("fd00:ec2::/64", "includes cloud metadata addresses (fd00:ec2::/32)"),
        ("::/0", "includes"),
        ("::1/128", "includes loopback addresses"),
        ("::ffff:0:0/96", "includes IPv4-mapped addresses"),
        ("::ffff:10.0.0.0/104", "includes IPv4-mapped addresses"),
        ("64:ff9b::/96", "includes NAT64 addresses"),
        ("2002:a00::/24", "includes 6to4 addresses"),
        ("fe80::/64", "includes link-local addresses"),
        ("8.8.8.0/24", "`8.8.8.0/24` is a public network, which needs no permission here"),
        ("168.63.0.0/16", "is a public network"),
        ("2606:4700::/32", "is a public network"),
    ] {
        let error = network(text).expect_err(text).to_string();
        assert!(error.contains(said), "{error}");
    }
}
