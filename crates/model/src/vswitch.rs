//! Open_vSwitch: a struct a table, a field a column.
//!
//! What each column means is in ovs-vswitchd.conf.db(5); field names are the column names (with a `_` behind those that
//! are Rust keywords). The schema is generated from these declarations: a column is added by adding a
//! field.

use crate::column::{Map, Set, Strong, Weak};
use crate::table::{database, values};
use ovsdb::Str;

values! {
    /// Values of `Bridge.protocols`.
    BridgeProtocols { OpenFlow10 = "OpenFlow10", OpenFlow11 = "OpenFlow11", OpenFlow12 = "OpenFlow12", OpenFlow13 = "OpenFlow13", OpenFlow14 = "OpenFlow14", OpenFlow15 = "OpenFlow15" }
    /// Values of `Bridge.fail_mode`.
    BridgeFailMode { Standalone = "standalone", Secure = "secure" }
    /// Values of `Port.vlan_mode`.
    PortVlanMode { Trunk = "trunk", Access = "access", NativeTagged = "native-tagged", NativeUntagged = "native-untagged", Dot1qTunnel = "dot1q-tunnel" }
    /// Values of `Port.bond_mode`.
    PortBondMode { BalanceTcp = "balance-tcp", BalanceSlb = "balance-slb", ActiveBackup = "active-backup" }
    /// Values of `Port.lacp`.
    PortLacp { Active = "active", Passive = "passive", Off = "off" }
    /// Values of `Interface.cfm_remote_opstate`.
    LinkState { Up = "up", Down = "down" }
    /// Values of `Interface.duplex`.
    InterfaceDuplex { Half = "half", Full = "full" }
    /// Values of `Flow_Table.overflow_policy`.
    FlowTableOverflowPolicy { Refuse = "refuse", Evict = "evict" }
    /// Values of `Controller.type`.
    ControllerType { Primary = "primary", Service = "service" }
    /// Values of `Controller.connection_mode`.
    ConnectionMode { InBand = "in-band", OutOfBand = "out-of-band" }
    /// Values of `Controller.role`.
    ControllerRole { Other = "other", Master = "master", Slave = "slave" }
    /// Values of `CT_Timeout_Policy.timeouts`.
    CtTimeoutPolicyTimeouts { TcpSynSent = "tcp_syn_sent", TcpSynRecv = "tcp_syn_recv", TcpEstablished = "tcp_established", TcpFinWait = "tcp_fin_wait", TcpCloseWait = "tcp_close_wait", TcpLastAck = "tcp_last_ack", TcpTimeWait = "tcp_time_wait", TcpClose = "tcp_close", TcpSynSent2 = "tcp_syn_sent2", TcpRetransmit = "tcp_retransmit", TcpUnack = "tcp_unack", UdpFirst = "udp_first", UdpSingle = "udp_single", UdpMultiple = "udp_multiple", IcmpFirst = "icmp_first", IcmpReply = "icmp_reply" }
}

database! {
    "Open_vSwitch" version "8.8.0"

    /// Settings of the host, one row.
    OpenVswitch = "Open_vSwitch" [root(), max_rows(1)] {
        datapaths: Map<Str, Strong<Datapath>>,
        bridges: Set<Strong<Bridge>>,
        manager_options: Set<Strong<Manager>>,
        ssl: Option<Strong<Ssl>>,
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
        next_cfg: i64,
        cur_cfg: i64,
        statistics: Map<Str, Str> [ephemeral()],
        ovs_version: Option<Str>,
        db_version: Option<Str>,
        system_type: Option<Str>,
        system_version: Option<Str>,
        datapath_types: Set<Str>,
        iface_types: Set<Str>,
        dpdk_initialized: bool,
        dpdk_version: Option<Str>,
    }

    /// A switch.
    Bridge = "Bridge" [index(&["name"])] {
        name: Str [immutable()],
        datapath_type: Str,
        datapath_version: Str,
        datapath_id: Option<Str> [ephemeral()],
        stp_enable: bool,
        rstp_enable: bool,
        mcast_snooping_enable: bool,
        ports: Set<Strong<Port>>,
        mirrors: Set<Strong<Mirror>>,
        netflow: Option<Strong<NetFlow>>,
        sflow: Option<Strong<Sflow>>,
        ipfix: Option<Strong<Ipfix>>,
        controller: Set<Strong<Controller>>,
        protocols: Set<BridgeProtocols>,
        fail_mode: Option<BridgeFailMode>,
        status: Map<Str, Str> [ephemeral()],
        rstp_status: Map<Str, Str> [ephemeral()],
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
        flood_vlans: Set<i64> [range(0..=4095), at_most(4096)],
        flow_tables: Map<i64, Strong<FlowTable>> [range(0..=254)],
        auto_attach: Option<Strong<AutoAttach>>,
    }

    /// A port of a bridge: one interface, or a bond of several.
    Port = "Port" [index(&["name"])] {
        name: Str [immutable()],
        interfaces: Set<Strong<Interface>> [at_least(1)],
        trunks: Set<i64> [range(0..=4095), at_most(4096)],
        cvlans: Set<i64> [range(0..=4095), at_most(4096)],
        tag: Option<i64> [range(0..=4095)],
        vlan_mode: Option<PortVlanMode>,
        qos: Option<Strong<Qos>>,
        mac: Option<Str>,
        bond_mode: Option<PortBondMode>,
        lacp: Option<PortLacp>,
        bond_updelay: i64,
        bond_downdelay: i64,
        bond_active_slave: Option<Str>,
        bond_fake_iface: bool,
        fake_bridge: bool,
        status: Map<Str, Str> [ephemeral()],
        rstp_status: Map<Str, Str> [ephemeral()],
        rstp_statistics: Map<Str, i64> [ephemeral()],
        statistics: Map<Str, i64> [ephemeral()],
        protected: bool,
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// A network device of a port.
    Interface = "Interface" [index(&["name"])] {
        name: Str [immutable()],
        type_: Str,
        options: Map<Str, Str>,
        ingress_policing_rate: i64 [range(0..)],
        ingress_policing_burst: i64 [range(0..)],
        ingress_policing_kpkts_rate: i64 [range(0..)],
        ingress_policing_kpkts_burst: i64 [range(0..)],
        mac_in_use: Option<Str> [ephemeral()],
        mac: Option<Str>,
        ifindex: Option<i64> [range(0..=4294967295), ephemeral()],
        external_ids: Map<Str, Str>,
        ofport: Option<i64>,
        ofport_request: Option<i64> [range(1..=65279)],
        bfd: Map<Str, Str>,
        bfd_status: Map<Str, Str> [ephemeral()],
        cfm_mpid: Option<i64>,
        cfm_remote_mpids: Set<i64> [ephemeral()],
        cfm_flap_count: Option<i64>,
        cfm_fault: Option<bool> [ephemeral()],
        cfm_fault_status: Set<Str> [ephemeral()],
        cfm_remote_opstate: Option<LinkState> [ephemeral()],
        cfm_health: Option<i64> [range(0..=100), ephemeral()],
        lacp_current: Option<bool> [ephemeral()],
        lldp: Map<Str, Str>,
        other_config: Map<Str, Str>,
        statistics: Map<Str, i64> [ephemeral()],
        status: Map<Str, Str> [ephemeral()],
        admin_state: Option<LinkState> [ephemeral()],
        link_state: Option<LinkState> [ephemeral()],
        link_resets: Option<i64> [ephemeral()],
        link_speed: Option<i64> [ephemeral()],
        duplex: Option<InterfaceDuplex> [ephemeral()],
        mtu: Option<i64> [ephemeral()],
        mtu_request: Option<i64> [range(1..)],
        error: Option<Str>,
    }

    /// Settings of one OpenFlow table.
    FlowTable = "Flow_Table" {
        name: Option<Str>,
        flow_limit: Option<i64> [range(0..)],
        overflow_policy: Option<FlowTableOverflowPolicy>,
        groups: Set<Str>,
        prefixes: Set<Str> [at_most(4)],
        external_ids: Map<Str, Str>,
    }

    /// Queueing of a port.
    Qos = "QoS" [root()] {
        type_: Str,
        queues: Map<i64, Strong<Queue>> [range(0..=4294967295)],
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// One queue.
    Queue = "Queue" [root()] {
        dscp: Option<i64> [range(0..=63)],
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// A port mirror.
    Mirror = "Mirror" {
        name: Str,
        select_all: bool,
        select_src_port: Set<Weak<Port>>,
        select_dst_port: Set<Weak<Port>>,
        select_vlan: Set<i64> [range(0..=4095), at_most(4096)],
        output_port: Option<Weak<Port>>,
        output_vlan: Option<i64> [range(1..=4095)],
        snaplen: Option<i64> [range(14..=65535)],
        statistics: Map<Str, i64> [ephemeral()],
        filter: Option<Str>,
        external_ids: Map<Str, Str>,
    }

    /// NetFlow export of a bridge.
    NetFlow = "NetFlow" {
        targets: Set<Str> [at_least(1)],
        engine_type: Option<i64> [range(0..=255)],
        engine_id: Option<i64> [range(0..=255)],
        add_id_to_interface: bool,
        active_timeout: i64 [range(-1..)],
        external_ids: Map<Str, Str>,
    }

    /// sFlow export of a bridge.
    Sflow = "sFlow" {
        targets: Set<Str> [at_least(1)],
        sampling: Option<i64>,
        polling: Option<i64>,
        header: Option<i64>,
        agent: Option<Str>,
        external_ids: Map<Str, Str>,
    }

    /// IPFIX export.
    Ipfix = "IPFIX" {
        targets: Set<Str>,
        sampling: Option<i64> [range(1..=4294967295)],
        obs_domain_id: Option<i64> [range(0..=4294967295)],
        obs_point_id: Option<i64> [range(0..=4294967295)],
        cache_active_timeout: Option<i64> [range(0..=4200)],
        cache_max_flows: Option<i64> [range(0..=4294967295)],
        stats_interval: Option<i64> [range(1..=3600)],
        template_interval: Option<i64> [range(1..=3600)],
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// Where sampled packets are sent.
    FlowSampleCollectorSet = "Flow_Sample_Collector_Set" [root(), index(&["id", "bridge"])] {
        id: i64 [range(0..=4294967295)],
        bridge: Strong<Bridge>,
        ipfix: Option<Strong<Ipfix>>,
        local_group_id: Option<i64> [range(0..=4294967295)],
        external_ids: Map<Str, Str>,
    }

    /// An OpenFlow controller of a bridge.
    Controller = "Controller" {
        type_: Option<ControllerType>,
        target: Str,
        max_backoff: Option<i64> [range(1000..)],
        inactivity_probe: Option<i64>,
        connection_mode: Option<ConnectionMode>,
        local_ip: Option<Str>,
        local_netmask: Option<Str>,
        local_gateway: Option<Str>,
        enable_async_messages: Option<bool>,
        controller_queue_size: Option<i64> [range(1..=512)],
        controller_rate_limit: Option<i64> [range(100..)],
        controller_burst_limit: Option<i64> [range(25..)],
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
        is_connected: bool [ephemeral()],
        role: Option<ControllerRole> [ephemeral()],
        status: Map<Str, Str> [ephemeral()],
    }

    /// A remote of the database server.
    Manager = "Manager" [index(&["target"])] {
        target: Str,
        max_backoff: Option<i64> [range(1000..)],
        inactivity_probe: Option<i64>,
        connection_mode: Option<ConnectionMode>,
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
        is_connected: bool [ephemeral()],
        status: Map<Str, Str> [ephemeral()],
    }

    /// Settings of one kind of datapath.
    Datapath = "Datapath" {
        datapath_version: Str,
        ct_zones: Map<i64, Strong<CtZone>> [range(0..=65535)],
        capabilities: Map<Str, Str>,
        ct_zone_default_limit: Option<i64> [range(0..=4294967295)],
        external_ids: Map<Str, Str>,
    }

    /// Settings of a connection tracking zone.
    CtZone = "CT_Zone" {
        timeout_policy: Option<Strong<CtTimeoutPolicy>>,
        limit: Option<i64> [range(0..=4294967295)],
        external_ids: Map<Str, Str>,
    }

    /// Connection tracking timeouts.
    CtTimeoutPolicy = "CT_Timeout_Policy" {
        timeouts: Map<CtTimeoutPolicyTimeouts, i64> [value_range(0..=4294967295)],
        external_ids: Map<Str, Str>,
    }

    /// Keys and certificates.
    Ssl = "SSL" [max_rows(1)] {
        private_key: Str,
        certificate: Str,
        ca_cert: Str,
        bootstrap_ca_cert: bool,
        external_ids: Map<Str, Str>,
    }

    /// Auto attach settings of a bridge.
    AutoAttach = "AutoAttach" {
        system_name: Str,
        system_description: Str,
        mappings: Map<i64, i64> [range(0..=16777215), value_range(0..=4095)],
    }
}
