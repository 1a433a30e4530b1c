//! The IANA special-purpose registries (RFC 6890 and what was added since), the blocks around them that are no global
//! unicast, and the metadata services of clouds that live elsewhere.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub(super) struct Range {
    pub(super) network: IpNet,
    /// What a refusal calls it.
    pub(super) class: &'static str,
    pub(super) used: Use,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Allowed where `network.allowed_networks` covers it: somebody may well have a host there.
    Private,
    /// Never allowed, and no network in the policy may overlap it.
    Never,
    /// Never allowed. A private network around it is fine: it is a hole in it.
    Metadata,
}

/// A part stands before the whole.
#[rustfmt::skip] // One range per line, with its reason.
pub(super) static RANGES: &[Range] = &[
    // Metadata services outside of link-local: they hand out the machine's own credentials.
    metadata(v4([168, 63, 129, 16], 32)),                              // Azure: WireServer
    metadata(v4([100, 100, 100, 200], 32)),                            // Alibaba Cloud
    metadata(v4([192, 0, 0, 192], 32)),                                // Oracle Cloud, first generation
    metadata(v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32)),               // AWS: metadata ::254, Pod Identity ::23, DNS, time
    metadata(v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128)),           // Google Cloud
    metadata(v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128)),            // Scaleway
    metadata(v6([0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1], 128)),        // Akamai (Linode)

    // IPv4
    never("unspecified", v4([0, 0, 0, 0], 32)),                        // Linux takes it for loopback
    never("this network", v4([0, 0, 0, 0], 8)),                        // RFC 791: no destination
    private("private", v4([10, 0, 0, 0], 8)),                          // RFC 1918
    private("shared address space", v4([100, 64, 0, 0], 10)),          // RFC 6598: carrier NAT, overlay networks
    never("loopback", v4([127, 0, 0, 0], 8)),                          // RFC 1122: the daemon's own services
    never("link-local", v4([169, 254, 0, 0], 16)),                     // RFC 3927: also most metadata services
    private("private", v4([172, 16, 0, 0], 12)),                       // RFC 1918
    private("IETF protocol assignments", v4([192, 0, 0, 0], 24)),      // RFC 6890: DS-Lite, PCP, NAT64 discovery
    private("documentation", v4([192, 0, 2, 0], 24)),                  // RFC 5737: TEST-NET-1
    private("AS112", v4([192, 31, 196, 0], 24)),                       // RFC 7535: the nearest DNS sink
    private("multicast relay", v4([192, 52, 193, 0], 24)),             // RFC 7450: AMT
    private("6to4 relay", v4([192, 88, 99, 0], 24)),                   // RFC 7526: deprecated anycast
    private("private", v4([192, 168, 0, 0], 16)),                      // RFC 1918
    private("AS112", v4([192, 175, 48, 0], 24)),                       // RFC 7534: the nearest DNS sink
    private("benchmarking", v4([198, 18, 0, 0], 15)),                  // RFC 2544
    private("documentation", v4([198, 51, 100, 0], 24)),               // RFC 5737: TEST-NET-2
    private("documentation", v4([203, 0, 113, 0], 24)),                // RFC 5737: TEST-NET-3
    never("multicast", v4([224, 0, 0, 0], 4)),                         // RFC 5771
    never("broadcast", v4([255, 255, 255, 255], 32)),                  // RFC 919
    private("reserved", v4([240, 0, 0, 0], 4)),                        // RFC 1112; used privately by some

    // IPv6 that stands for IPv4: what it reaches is decided elsewhere, loopback and metadata included.
    never("unspecified", v6([0, 0, 0, 0, 0, 0, 0, 0], 128)),           // Linux takes it for loopback
    never("loopback", v6([0, 0, 0, 0, 0, 0, 0, 1], 128)),              // RFC 4291
    never("IPv4-mapped", v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96)),       // RFC 4291: the kernel connects to the IPv4 host
    never("IPv4-translated", v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96)),   // RFC 2765: SIIT
    never("IPv4-compatible", v6([0, 0, 0, 0, 0, 0, 0, 0], 96)),        // RFC 4291: deprecated
    never("NAT64", v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96)),          // RFC 6052
    never("NAT64", v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48)),          // RFC 8215: a site's own
    never("Teredo", v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32)),            // RFC 4380
    never("6to4", v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16)),              // RFC 3056

    // IPv6
    private("discard", v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64)),          // RFC 6666
    private("dummy", v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64)),            // RFC 9780
    private("PCP anycast", v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128)),    // RFC 7723: the nearest gateway
    private("TURN anycast", v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128)),   // RFC 8155: the nearest relay
    private("DNS-SD anycast", v6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128)), // RFC 9665: the nearest registrar
    private("benchmarking", v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48)),    // RFC 5180
    private("multicast relay", v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32)), // RFC 7450: AMT
    private("AS112", v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48)),       // RFC 7535: the nearest DNS sink
    private("ORCHID", v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28)),       // RFC 4843: hashes, not routed
    private("ORCHIDv2", v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28)),     // RFC 7343: hashes, not routed
    private("drone remote ID", v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28)), // RFC 9374: hashes, not routed
    private("IETF protocol assignments", v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23)), // RFC 2928: the rest of it
    private("documentation", v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32)), // RFC 3849
    private("AS112", v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48)),   // RFC 7534: the nearest DNS sink
    private("documentation", v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20)),   // RFC 9637
    private("segment routing", v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16)), // RFC 9602
    private("unique local", v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7)),     // RFC 4193
    never("link-local", v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10)),        // RFC 4291
    private("site-local", v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10)),      // RFC 3879: deprecated
    never("multicast", v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8)),          // RFC 4291

    // Global unicast is 2000::/3. The rest belongs to nobody, whoever answers there.
    private("reserved", v6([0, 0, 0, 0, 0, 0, 0, 0], 3)),
    private("reserved", v6([0x4000, 0, 0, 0, 0, 0, 0, 0], 2)),
    private("reserved", v6([0x8000, 0, 0, 0, 0, 0, 0, 0], 1)),
];

const fn private(class: &'static str, network: IpNet) -> Range {
    Range { network, class, used: Use::Private }
}

const fn never(class: &'static str, network: IpNet) -> Range {
    Range { network, class, used: Use::Never }
}

const fn metadata(network: IpNet) -> Range {
    Range { network, class: "cloud metadata", used: Use::Metadata }
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix))
}
