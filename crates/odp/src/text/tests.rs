//! Texts as `ovs-dpctl` writes them.
