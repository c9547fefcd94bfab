//! OVN_Southbound: a struct a table, a field a column.
//!
//! What each column means is in ovn-sb(5); field names are the column names (with a `_` behind those that
//! are Rust keywords). The schema is generated from these declarations: a column is added by adding a
//! field.

use crate::column::{Map, Set, Strong, Weak};
use crate::table::{database, values};
use ovsdb::{Str, Uuid};

values! {
    /// Values of `Encap.type`.
    EncapType { Geneve = "geneve", Vxlan = "vxlan" }
    /// Values of `Logical_Flow.pipeline`.
    Pipeline { Ingress = "ingress", Egress = "egress" }
    /// Values of `Mirror.filter`.
    MirrorFilter { FromLport = "from-lport", ToLport = "to-lport", Both = "both" }
    /// Values of `Mirror.type`.
    MirrorType { Gre = "gre", Erspan = "erspan", Local = "local", Lport = "lport" }
    /// Values of `Meter.unit`.
    MeterUnit { Kbps = "kbps", Pktps = "pktps" }
    /// Values of `Meter_Band.action`.
    MeterAction { Drop = "drop" }
    /// Values of `Datapath_Binding.type`.
    DatapathType { LogicalSwitch = "logical-switch", LogicalRouter = "logical-router" }
    /// Values of `DHCP_Options.type`.
    DhcpOptionsType { Bool = "bool", Uint8 = "uint8", Uint16 = "uint16", Uint32 = "uint32", Ipv4 = "ipv4", StaticRoutes = "static_routes", Str = "str", HostId = "host_id", Domains = "domains" }
    /// Values of `DHCPv6_Options.type`.
    Dhcpv6OptionsType { Ipv6 = "ipv6", Str = "str", Mac = "mac", Domain = "domain" }
    /// Values of `Controller_Event.event_type`.
    ControllerEventEventType { EmptyLbBackends = "empty_lb_backends" }
    /// Values of `Service_Monitor.type`.
    ServiceMonitorType { LoadBalancer = "load-balancer", NetworkFunction = "network-function", LogicalSwitchPort = "logical-switch-port" }
    /// Values of `Service_Monitor.protocol`.
    ServiceMonitorProtocol { Tcp = "tcp", Udp = "udp", Icmp = "icmp" }
    /// Values of `Service_Monitor.status`.
    MonitorStatus { Online = "online", Offline = "offline", Error = "error" }
    /// Values of `Load_Balancer.protocol`.
    L4Protocol { Tcp = "tcp", Udp = "udp", Sctp = "sctp" }
    /// Values of `BFD.status`.
    BfdStatus { Down = "down", Init = "init", Up = "up", AdminDown = "admin_down" }
}

database! {
    "OVN_Southbound" version "21.8.0"

    /// Settings of the whole cloud, one row.
    SbGlobal = "SB_Global" [root(), max_rows(1)] {
        nb_cfg: i64,
        external_ids: Map<Str, Str>,
        connections: Set<Strong<Connection>>,
        ssl: Option<Strong<Ssl>>,
        options: Map<Str, Str>,
        ipsec: bool,
    }

    /// A hypervisor or gateway.
    Chassis = "Chassis" [root(), index(&["name"])] {
        name: Str,
        hostname: Str,
        encaps: Set<Strong<Encap>> [at_least(1)],
        vtep_logical_switches: Set<Str>,
        nb_cfg: i64,
        external_ids: Map<Str, Str>,
        other_config: Map<Str, Str>,
        transport_zones: Set<Str>,
    }

    /// What a chassis alone writes: how far it has come.
    ChassisPrivate = "Chassis_Private" [root(), index(&["name"])] {
        name: Str,
        chassis: Option<Weak<Chassis>>,
        nb_cfg: i64,
        nb_cfg_timestamp: i64,
        external_ids: Map<Str, Str>,
    }

    /// A tunnel end of a chassis.
    Encap = "Encap" [index(&["type", "ip"])] {
        type_: EncapType,
        options: Map<Str, Str>,
        ip: Str,
        chassis_name: Str,
    }

    /// A named set of addresses for match expressions.
    AddressSet = "Address_Set" [root(), index(&["name"])] {
        name: Str,
        addresses: Set<Str>,
    }

    /// The ports of one group on one switch, `<tunnel key>_<name>`.
    PortGroup = "Port_Group" [root(), index(&["name"])] {
        name: Str,
        ports: Set<Str>,
    }

    /// One flow of the logical pipeline.
    LogicalFlow = "Logical_Flow" [root()] {
        logical_datapath: Option<Strong<DatapathBinding>>,
        logical_dp_group: Option<Strong<LogicalDpGroup>>,
        pipeline: Pipeline,
        table_id: i64 [range(0..=33)],
        priority: i64 [range(0..=65535)],
        match_: Str,
        actions: Str,
        tags: Map<Str, Str>,
        controller_meter: Option<Str>,
        external_ids: Map<Str, Str>,
        flow_desc: Option<Str>,
    }

    /// Datapaths that flows are shared by.
    LogicalDpGroup = "Logical_DP_Group" {
        datapaths: Set<Weak<DatapathBinding>>,
    }

    /// Ports of a datapath that receive copies.
    MulticastGroup = "Multicast_Group" [root(), index(&["datapath", "tunnel_key"]), index(&["datapath", "name"])] {
        datapath: Strong<DatapathBinding>,
        name: Str,
        tunnel_key: i64 [range(32768..=65535)],
        ports: Set<Weak<PortBinding>>,
    }

    /// Where copies of traffic are sent.
    Mirror = "Mirror" [root(), index(&["name"])] {
        name: Str,
        filter: MirrorFilter,
        sink: Str,
        type_: MirrorType,
        index: i64,
        external_ids: Map<Str, Str>,
    }

    /// A rate limit.
    Meter = "Meter" [root(), index(&["name"])] {
        name: Str,
        unit: MeterUnit,
        bands: Set<Strong<MeterBand>> [at_least(1)],
    }

    /// One threshold of a meter.
    MeterBand = "Meter_Band" {
        action: MeterAction,
        rate: i64 [range(1..=4294967295)],
        burst_size: i64 [range(0..=4294967295)],
    }

    /// The tunnel key of a logical switch or router.
    DatapathBinding = "Datapath_Binding" [root(), index(&["tunnel_key"])] {
        tunnel_key: i64 [range(1..=16777215)],
        load_balancers: Set<Uuid>,
        type_: Option<DatapathType>,
        nb_uuid: Option<Uuid>,
        external_ids: Map<Str, Str>,
    }

    /// A logical port, and the chassis that it is on.
    PortBinding = "Port_Binding" [root(), index(&["datapath", "tunnel_key"]), index(&["logical_port"])] {
        logical_port: Str,
        type_: Str,
        gateway_chassis: Set<Strong<GatewayChassis>>,
        ha_chassis_group: Option<Strong<HaChassisGroup>>,
        options: Map<Str, Str>,
        datapath: Strong<DatapathBinding>,
        tunnel_key: i64 [range(1..=32767)],
        parent_port: Option<Str>,
        mirror_port: Option<Str>,
        tag: Option<i64> [range(1..=4095)],
        virtual_parent: Option<Str>,
        chassis: Option<Weak<Chassis>>,
        additional_chassis: Set<Weak<Chassis>>,
        encap: Option<Weak<Encap>>,
        additional_encap: Set<Weak<Encap>>,
        mirror_rules: Set<Weak<Mirror>>,
        mac: Set<Str>,
        port_security: Set<Str>,
        nat_addresses: Set<Str>,
        up: Option<bool>,
        external_ids: Map<Str, Str>,
        requested_chassis: Option<Weak<Chassis>>,
        requested_additional_chassis: Set<Weak<Chassis>>,
    }

    /// A neighbour that a router port has learned.
    MacBinding = "MAC_Binding" [root(), index(&["logical_port", "ip"])] {
        logical_port: Str,
        ip: Str,
        mac: Str,
        timestamp: i64,
        datapath: Strong<DatapathBinding>,
    }

    /// The DHCPv4 options that agents know.
    DhcpOptions = "DHCP_Options" [root()] {
        name: Str,
        code: i64 [range(0..=254)],
        type_: DhcpOptionsType,
    }

    /// The DHCPv6 options that agents know.
    Dhcpv6Options = "DHCPv6_Options" [root()] {
        name: Str,
        code: i64 [range(0..=254)],
        type_: Dhcpv6OptionsType,
    }

    /// A remote that the database server listens on or connects to.
    Connection = "Connection" [index(&["target"])] {
        target: Str,
        max_backoff: Option<i64> [range(1000..)],
        inactivity_probe: Option<i64>,
        read_only: bool,
        role: Str,
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
        is_connected: bool [ephemeral()],
        status: Map<Str, Str> [ephemeral()],
    }

    /// Keys and certificates of the database server.
    Ssl = "SSL" [max_rows(1)] {
        private_key: Str,
        certificate: Str,
        ca_cert: Str,
        bootstrap_ca_cert: bool,
        ssl_protocols: Str,
        ssl_ciphers: Str,
        ssl_ciphersuites: Str,
        external_ids: Map<Str, Str>,
    }

    /// Name records that agents answer.
    Dns = "DNS" [root()] {
        records: Map<Str, Str>,
        datapaths: Set<Strong<DatapathBinding>> [at_least(1)],
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// What a role may change, by table.
    RbacRole = "RBAC_Role" [root()] {
        name: Str,
        permissions: Map<Str, Weak<RbacPermission>>,
    }

    /// The rights on one table.
    RbacPermission = "RBAC_Permission" [root()] {
        table: Str,
        authorization: Set<Str>,
        insert_delete: bool,
        update: Set<Str>,
    }

    /// A chassis that may host a gateway port.
    GatewayChassis = "Gateway_Chassis" [index(&["name"])] {
        name: Str,
        chassis: Option<Weak<Chassis>>,
        priority: i64 [range(0..=32767)],
        external_ids: Map<Str, Str>,
        options: Map<Str, Str>,
    }

    /// A chassis of a group, with its priority.
    HaChassis = "HA_Chassis" {
        chassis: Option<Weak<Chassis>>,
        priority: i64 [range(0..=32767)],
        external_ids: Map<Str, Str>,
    }

    /// Chassis of which one is active at a time.
    HaChassisGroup = "HA_Chassis_Group" [root(), index(&["name"])] {
        name: Str,
        ha_chassis: Set<Strong<HaChassis>>,
        ref_chassis: Set<Weak<Chassis>>,
        external_ids: Map<Str, Str>,
    }

    /// An event that an agent reports.
    ControllerEvent = "Controller_Event" [root()] {
        event_type: ControllerEventEventType,
        event_info: Map<Str, Str>,
        chassis: Option<Weak<Chassis>>,
        seq_num: i64,
    }

    /// Multicast settings of a switch.
    IpMulticast = "IP_Multicast" [root(), index(&["datapath"])] {
        datapath: Weak<DatapathBinding>,
        enabled: Option<bool>,
        querier: Option<bool>,
        eth_src: Str,
        ip4_src: Str,
        ip6_src: Str,
        table_size: Option<i64>,
        idle_timeout: Option<i64>,
        query_interval: Option<i64>,
        query_max_resp: Option<i64>,
        seq_no: i64,
    }

    /// Members of a multicast group that an agent has seen.
    IgmpGroup = "IGMP_Group" [root(), index(&["address", "datapath", "chassis"])] {
        address: Str,
        protocol: Str,
        datapath: Option<Weak<DatapathBinding>>,
        chassis: Option<Weak<Chassis>>,
        ports: Set<Weak<PortBinding>>,
        chassis_name: Str,
    }

    /// A probe that an agent runs, and its result.
    ServiceMonitor = "Service_Monitor" [root(), index(&["logical_port", "ip", "port", "protocol"])] {
        type_: Option<ServiceMonitorType>,
        ip: Str,
        mac: Str,
        protocol: Option<ServiceMonitorProtocol>,
        port: i64 [range(0..=65535)],
        logical_input_port: Str,
        logical_port: Str,
        src_mac: Str,
        src_ip: Str,
        chassis_name: Str,
        status: Option<MonitorStatus>,
        ic_learned: bool,
        remote: bool,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// Virtual IPs and backends, for hairpin traffic.
    LoadBalancer = "Load_Balancer" [root()] {
        name: Str,
        vips: Map<Str, Str>,
        protocol: Option<L4Protocol>,
        datapaths: Set<Strong<DatapathBinding>>,
        datapath_group: Option<Strong<LogicalDpGroup>>,
        ls_datapath_group: Option<Strong<LogicalDpGroup>>,
        lr_datapath_group: Option<Strong<LogicalDpGroup>>,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// A BFD session that an agent runs.
    Bfd = "BFD" [root(), index(&["logical_port", "dst_ip", "src_port", "disc"])] {
        src_port: i64 [range(49152..=65535)],
        disc: i64,
        logical_port: Str,
        dst_ip: Str,
        min_tx: i64,
        min_rx: i64,
        detect_mult: i64,
        status: BfdStatus,
        external_ids: Map<Str, Str>,
        options: Map<Str, Str>,
        chassis_name: Str,
    }

    /// A learned MAC address of a switch.
    Fdb = "FDB" [root(), index(&["mac", "dp_key"])] {
        mac: Str,
        dp_key: i64 [range(1..=16777215)],
        port_key: i64 [range(1..=16777215)],
        timestamp: i64,
    }

    /// A neighbour that is not resolved.
    StaticMacBinding = "Static_MAC_Binding" [root(), index(&["logical_port", "ip"])] {
        logical_port: Str,
        ip: Str,
        mac: Str,
        override_dynamic_mac: bool,
        datapath: Strong<DatapathBinding>,
    }

    /// A monitored next hop of an ECMP route.
    EcmpNexthop = "ECMP_Nexthop" [root(), index(&["nexthop", "port"])] {
        nexthop: Str,
        port: Strong<PortBinding>,
        datapath: Strong<DatapathBinding>,
        mac: Str,
        external_ids: Map<Str, Str>,
    }

    /// Values of template variables on one chassis.
    ChassisTemplateVar = "Chassis_Template_Var" [root(), index(&["chassis"])] {
        chassis: Str,
        variables: Map<Str, Str>,
    }

    /// A route that agents announce.
    AdvertisedRoute = "Advertised_Route" [root(), index(&["datapath", "logical_port", "ip_prefix", "tracked_port"])] {
        datapath: Strong<DatapathBinding>,
        logical_port: Strong<PortBinding>,
        ip_prefix: Str,
        tracked_port: Option<Strong<PortBinding>>,
        external_ids: Map<Str, Str>,
    }

    /// A route that agents have learned.
    LearnedRoute = "Learned_Route" [root(), index(&["datapath", "logical_port", "ip_prefix", "nexthop"])] {
        datapath: Strong<DatapathBinding>,
        logical_port: Strong<PortBinding>,
        ip_prefix: Str,
        nexthop: Str,
        external_ids: Map<Str, Str>,
    }

    /// A number for an ACL whose sessions persist.
    AclId = "ACL_ID" [root()] {
        id: i64 [range(0..=32767)],
    }

    /// A neighbour that agents announce.
    AdvertisedMacBinding = "Advertised_MAC_Binding" [root(), index(&["datapath", "logical_port", "ip", "mac"])] {
        datapath: Strong<DatapathBinding>,
        logical_port: Strong<PortBinding>,
        ip: Str,
        mac: Str,
        external_ids: Map<Str, Str>,
    }
}
