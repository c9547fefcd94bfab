//! The stages of the logical pipelines.
//!
//! Names are those of OVN 26.03. Only stages that have flows exist, and the stages of one pipeline are
//! numbered from 0 without gaps in the order of the table below; so they stay within what readers of
//! 23.03 accept (29 ingress, 22 egress).

pub use model::sb::Pipeline;

/// What kind of datapath has a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DatapathKind {
    /// A logical switch.
    Switch,
    /// A logical router.
    Router,
}

macro_rules! stages {
    ($($kind:ident $pipeline:ident { $($stage:ident = $name:literal,)* })*) => {
        /// A stage of a pipeline.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Stage {
            $($(
                #[doc = concat!("`", $name, "`")]
                $stage,
            )*)*
        }

        impl Stage {
            /// All stages, pipeline by pipeline, in their order.
            pub const ALL: &[Self] = &[$($(Self::$stage,)*)*];

            /// The name as OVN has it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$stage => $name,)*)* }
            }

            /// The pipeline that the stage is part of.
            #[must_use]
            pub const fn pipeline(self) -> Pipeline {
                match self { $($(Self::$stage => Pipeline::$pipeline,)*)* }
            }

            /// The kind of datapath that has the stage.
            #[must_use]
            pub const fn kind(self) -> DatapathKind {
                match self { $($(Self::$stage => DatapathKind::$kind,)*)* }
            }

            /// The first stage of the same pipeline.
            const fn first(self) -> Self {
                match self {
                    $($(Self::$stage)|* => {
                        const PART: &[Stage] = &[$(Stage::$stage,)*];
                        PART[0]
                    })*
                }
            }
        }
    };
}

stages! {
    Switch Ingress {
        LsInCheckPortSec = "ls_in_check_port_sec",
        LsInApplyPortSec = "ls_in_apply_port_sec",
        LsInLookupFdb = "ls_in_lookup_fdb",
        LsInPutFdb = "ls_in_put_fdb",
        LsInPreAcl = "ls_in_pre_acl",
        LsInPreStateful = "ls_in_pre_stateful",
        LsInAclHint = "ls_in_acl_hint",
        LsInAclEval = "ls_in_acl_eval",
        LsInAclAction = "ls_in_acl_action",
        LsInAclAfterLbEval = "ls_in_acl_after_lb_eval",
        LsInAclAfterLbAction = "ls_in_acl_after_lb_action",
        LsInStateful = "ls_in_stateful",
        LsInArpRsp = "ls_in_arp_rsp",
        LsInDhcpOptions = "ls_in_dhcp_options",
        LsInDhcpResponse = "ls_in_dhcp_response",
        LsInL2Lkup = "ls_in_l2_lkup",
        LsInL2Unknown = "ls_in_l2_unknown",
    }
    Switch Egress {
        LsOutPreAcl = "ls_out_pre_acl",
        LsOutPreStateful = "ls_out_pre_stateful",
        LsOutAclHint = "ls_out_acl_hint",
        LsOutAclEval = "ls_out_acl_eval",
        LsOutAclAction = "ls_out_acl_action",
        LsOutStateful = "ls_out_stateful",
        LsOutCheckPortSec = "ls_out_check_port_sec",
        LsOutApplyPortSec = "ls_out_apply_port_sec",
    }
    Router Ingress {
        LrInAdmission = "lr_in_admission",
        LrInLookupNeighbor = "lr_in_lookup_neighbor",
        LrInLearnNeighbor = "lr_in_learn_neighbor",
        LrInIpInput = "lr_in_ip_input",
        LrInNdRaOptions = "lr_in_nd_ra_options",
        LrInNdRaResponse = "lr_in_nd_ra_response",
        LrInIpRouting = "lr_in_ip_routing",
        LrInIpRoutingEcmp = "lr_in_ip_routing_ecmp",
        LrInPolicy = "lr_in_policy",
        LrInArpResolve = "lr_in_arp_resolve",
        LrInGwRedirect = "lr_in_gw_redirect",
        LrInArpRequest = "lr_in_arp_request",
    }
    Router Egress {
        LrOutDelivery = "lr_out_delivery",
    }
}

impl Stage {
    /// The number of the table in its pipeline.
    #[must_use]
    pub const fn table(self) -> u8 {
        self as u8 - self.first() as u8
    }

    /// The action that goes on at this stage.
    #[must_use]
    pub fn jump(self) -> String {
        let pipeline = match self.pipeline() {
            Pipeline::Ingress => "ingress",
            Pipeline::Egress => "egress",
        };
        format!("next(pipeline={pipeline},table={});", self.table())
    }
}

/// A direction through a switch, for stages that exist in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Way {
    /// From a port into the switch.
    In,
    /// Out of the switch to a port.
    Out,
}

impl Way {
    /// Both ways.
    pub(crate) const BOTH: [Self; 2] = [Self::In, Self::Out];

    /// The symbol of the port that is near.
    #[must_use]
    pub(crate) const fn port(self) -> &'static str {
        match self {
            Self::In => "inport",
            Self::Out => "outport",
        }
    }

    /// The first of a pair for the way in, the second for the way out.
    #[must_use]
    pub(crate) fn pick<T: Copy>(self, pair: [T; 2]) -> T {
        pair[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_dense_and_within_bounds() {
        let mut next = std::collections::BTreeMap::new();
        for stage in Stage::ALL {
            let table = next.entry((stage.kind(), stage.pipeline())).or_insert(0u8);
            assert_eq!(stage.table(), *table, "{stage:?}");
            *table += 1;
            let prefix = match (stage.kind(), stage.pipeline()) {
                (DatapathKind::Switch, Pipeline::Ingress) => "ls_in_",
                (DatapathKind::Switch, Pipeline::Egress) => "ls_out_",
                (DatapathKind::Router, Pipeline::Ingress) => "lr_in_",
                (DatapathKind::Router, Pipeline::Egress) => "lr_out_",
            };
            assert!(stage.name().starts_with(prefix), "{stage:?}");
        }
        for ((_, pipeline), count) in next {
            assert!(
                count
                    <= if pipeline == Pipeline::Ingress {
                        29
                    } else {
                        22
                    }
            );
        }
    }
}
