//! What the kernel's codes mean for each kind of request, and what to do about them.

use nix::errno::Errno;

use crate::message::{Family, command};

/// A code's meaning.
pub(super) struct Remedy {
    /// Why; the code's own text where there is nothing better.
    pub(super) why: Option<&'static str>,
    pub(super) remedy: Option<&'static str>,
}

const fn because(why: &'static str, remedy: &'static str) -> Remedy {
    Remedy {
        why: Some(why),
        remedy: Some(remedy),
    }
}

/// The meaning of a code for a request.
pub(super) fn of(family: Family, command: u8, errno: i32) -> Remedy {
    let code = Errno::from_raw(errno);
    if code == Errno::EPERM {
        return because(
            "it takes the capability CAP_NET_ADMIN, in the user namespace of the network namespace",
            "run it as root, or give it the capability",
        );
    }
    let found = match family {
        Family::Datapath => datapath(command, code),
        Family::Vport => vport(command, code),
        Family::Flow => flow(command, code),
        Family::Packet => packet(code),
        Family::Meter => meter(code),
        Family::CtLimit => None,
    };
    found.unwrap_or(Remedy {
        why: None,
        remedy: None,
    })
}

fn no_datapath() -> Remedy {
    because(
        "there is no such datapath in this network namespace",
        "`heddle odp datapath list` prints those that there are",
    )
}

fn datapath(command: u8, code: Errno) -> Option<Remedy> {
    Some(match (command, code) {
        (command::NEW, Errno::EEXIST) => because(
            "there is a datapath or a network device of that name",
            "choose another name, or delete that",
        ),
        (_, Errno::ENODEV) => no_datapath(),
        (command::NEW, Errno::EINVAL) => because(
            "that is no name for a network device",
            "choose one of one to fifteen characters, without spaces and slashes",
        ),
        (command::SET, Errno::EINVAL | Errno::EOPNOTSUPP) => because(
            "the datapath does not take that feature or value",
            "`heddle odp probe` prints what this kernel can do",
        ),
        _ => return None,
    })
}

fn vport(command: u8, code: Errno) -> Option<Remedy> {
    Some(match (command, code) {
        (command::NEW, Errno::EAFNOSUPPORT) => because(
            "the kernel has no ports of that type: their module is not loaded",
            "run `modprobe vport-vxlan`, `vport-geneve` or `vport-gre`, as the type is",
        ),
        (command::NEW, Errno::EADDRINUSE) => because(
            "another tunnel port has that UDP port in this network namespace",
            "choose another UDP port, or delete that tunnel port",
        ),
        (command::NEW, Errno::EEXIST) => because(
            "there is a port or a network device of that name, or of that number or tunnel",
            "choose another, or delete that",
        ),
        (command::NEW, Errno::EBUSY) => because(
            "the network device or the port number is taken: \
             a device belongs to at most one datapath, bridge or bond",
            "take it out there first, or choose another number",
        ),
        (command::NEW, Errno::EINVAL) => because(
            "the network device cannot be a port \
             (the loopback, a datapath's own, or no Ethernet), or an option is missing",
            "choose another device; VXLAN and Geneve need a UDP port",
        ),
        (command::NEW, Errno::EFBIG) => {
            because("there are no more port numbers", "delete a port first")
        }
        (command::NEW, Errno::ENODEV) => because(
            "there is no such datapath or network device in this network namespace",
            "`ip link` prints the devices, `heddle odp datapath list` the datapaths",
        ),
        (command::DEL, Errno::EINVAL) => because(
            "the local port goes only with its datapath",
            "delete the datapath",
        ),
        (_, Errno::ENODEV | Errno::ENOENT) => because(
            "there is no such port",
            "`heddle odp vport list` prints those that there are",
        ),
        _ => return None,
    })
}

fn flow(command: u8, code: Errno) -> Option<Remedy> {
    Some(match (command, code) {
        (_, Errno::ENODEV) => no_datapath(),
        (command::NEW, Errno::EEXIST) => because(
            "there is a flow with that key or UFID",
            "put it in place of that, or delete that",
        ),
        (_, Errno::ENOENT) => because(
            "there is no flow with that key or UFID",
            "a flow without a UFID is found by the whole key that it was made with",
        ),
        (_, Errno::EINVAL) => because(
            "the datapath does not take that key, mask or action",
            "a header and what makes it possible go together (ipv4 and eth_type(0x0800)), \
             a tunnel has a destination and a time to live; \
             `heddle odp probe` prints what this kernel can do, its log may say more",
        ),
        _ => return None,
    })
}

fn packet(code: Errno) -> Option<Remedy> {
    Some(match code {
        Errno::ENODEV => no_datapath(),
        Errno::EINVAL => because(
            "the datapath does not take that packet, key or action",
            "a packet begins with its Ethernet header; \
             `heddle odp probe` prints what this kernel can do",
        ),
        _ => return None,
    })
}

fn meter(code: Errno) -> Option<Remedy> {
    Some(match code {
        Errno::ENODEV => no_datapath(),
        Errno::EFBIG => because(
            "that is beyond the greatest number of a meter",
            "`heddle odp meter features` prints how many there may be",
        ),
        _ => return None,
    })
}
