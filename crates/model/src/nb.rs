//! OVN_Northbound: a struct a table, a field a column.
//!
//! What each column means is in ovn-nb(5); field names are the column names (with a `_` behind those that
//! are Rust keywords). The schema is generated from these declarations: a column is added by adding a
//! field.

use crate::column::{Map, Set, Strong, Weak};
use crate::table::{database, values};
use ovsdb::Str;

values! {
    /// Values of `Network_Function_Group.fallback`.
    NetworkFunctionGroupFallback { FailOpen = "fail-open", FailClose = "fail-close" }
    /// Values of `Network_Function_Group.mode`.
    NetworkFunctionGroupMode { Inline = "inline" }
    /// Values of `Logical_Switch_Port_Health_Check.protocol`.
    LogicalSwitchPortHealthCheckProtocol { Tcp = "tcp", Udp = "udp", Icmp = "icmp" }
    /// Values of `Logical_Switch_Port_Health_Check.status`.
    MonitorStatus { Online = "online", Offline = "offline", Error = "error" }
    /// Values of `Load_Balancer.protocol`.
    L4Protocol { Tcp = "tcp", Udp = "udp", Sctp = "sctp" }
    /// Values of `Load_Balancer.selection_fields`.
    LoadBalancerSelectionFields { EthSrc = "eth_src", EthDst = "eth_dst", IpSrc = "ip_src", IpDst = "ip_dst", Ipv6Src = "ipv6_src", Ipv6Dst = "ipv6_dst", TpSrc = "tp_src", TpDst = "tp_dst" }
    /// Values of `ACL.direction`.
    Direction { FromLport = "from-lport", ToLport = "to-lport" }
    /// Values of `ACL.action`.
    AclAction { Allow = "allow", AllowRelated = "allow-related", AllowStateless = "allow-stateless", Drop = "drop", Reject = "reject", Pass = "pass" }
    /// Values of `ACL.severity`.
    Severity { Alert = "alert", Warning = "warning", Notice = "notice", Info = "info", Debug = "debug" }
    /// Values of `QoS.action`.
    QosAction { Dscp = "dscp", Mark = "mark" }
    /// Values of `QoS.bandwidth`.
    QosBandwidth { Rate = "rate", Burst = "burst" }
    /// Values of `Mirror.filter`.
    MirrorFilter { FromLport = "from-lport", ToLport = "to-lport", Both = "both" }
    /// Values of `Mirror.type`.
    MirrorType { Gre = "gre", Erspan = "erspan", Local = "local", Lport = "lport" }
    /// Values of `Mirror_Rule.action`.
    MirrorRuleAction { Mirror = "mirror", Skip = "skip" }
    /// Values of `Meter.unit`.
    MeterUnit { Kbps = "kbps", Pktps = "pktps" }
    /// Values of `Meter_Band.action`.
    MeterAction { Drop = "drop" }
    /// Values of `Logical_Router_Static_Route.policy`.
    LogicalRouterStaticRoutePolicy { SrcIp = "src-ip", DstIp = "dst-ip" }
    /// Values of `Logical_Router_Static_Route.selection_fields`.
    LogicalRouterStaticRouteSelectionFields { EthSrc = "eth_src", EthDst = "eth_dst", IpProto = "ip_proto", IpSrc = "ip_src", IpDst = "ip_dst", Ipv6Src = "ipv6_src", Ipv6Dst = "ipv6_dst", TpSrc = "tp_src", TpDst = "tp_dst" }
    /// Values of `Logical_Router_Policy.action`.
    LogicalRouterPolicyAction { Allow = "allow", Drop = "drop", Reroute = "reroute", Jump = "jump" }
    /// Values of `NAT.type`.
    NatType { Dnat = "dnat", Snat = "snat", DnatAndSnat = "dnat_and_snat" }
    /// Values of `BFD.status`.
    BfdStatus { Down = "down", Init = "init", Up = "up", AdminDown = "admin_down" }
    /// Values of `Sampling_App.type`.
    SamplingAppType { Drop = "drop", AclNew = "acl-new", AclEst = "acl-est" }
}

database! {
    "OVN_Northbound" version "7.18.0"

    /// Settings of the whole cloud, one row: sequence numbers and options.
    NbGlobal = "NB_Global" [root(), max_rows(1)] {
        name: Str,
        nb_cfg: i64,
        nb_cfg_timestamp: i64,
        sb_cfg: i64,
        sb_cfg_timestamp: i64,
        hv_cfg: i64,
        hv_cfg_timestamp: i64,
        external_ids: Map<Str, Str>,
        connections: Set<Strong<Connection>>,
        ssl: Option<Strong<Ssl>>,
        options: Map<Str, Str>,
        ipsec: bool,
    }

    /// A collector of packet samples and the share of packets it gets.
    SampleCollector = "Sample_Collector" [root(), index(&["id"])] {
        id: i64 [range(1..=255)],
        name: Str,
        probability: i64 [range(0..=65535)],
        set_id: i64 [range(1..=4294967295)],
        external_ids: Map<Str, Str>,
    }

    /// Which collectors sample the packets of an ACL, and under which identity.
    Sample = "Sample" [index(&["metadata"])] {
        collectors: Set<Strong<SampleCollector>>,
        metadata: i64 [range(1..=4294967295)],
    }

    /// Control plane protection: the meter of each kind of packet that is punted.
    Copp = "Copp" [root(), index(&["name"])] {
        name: Str,
        meters: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// An Ethernet network.
    LogicalSwitch = "Logical_Switch" [root()] {
        name: Str,
        ports: Set<Strong<LogicalSwitchPort>>,
        acls: Set<Strong<Acl>>,
        qos_rules: Set<Strong<Qos>>,
        load_balancer: Set<Weak<LoadBalancer>>,
        load_balancer_group: Set<Strong<LoadBalancerGroup>>,
        dns_records: Set<Weak<Dns>>,
        copp: Option<Weak<Copp>>,
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
        forwarding_groups: Set<Strong<ForwardingGroup>>,
    }

    /// A port of a logical switch.
    LogicalSwitchPort = "Logical_Switch_Port" [index(&["name"])] {
        name: Str,
        type_: Str,
        options: Map<Str, Str>,
        parent_name: Option<Str>,
        tag_request: Option<i64> [range(0..=4095)],
        tag: Option<i64> [range(1..=4095)],
        addresses: Set<Str>,
        dynamic_addresses: Option<Str>,
        port_security: Set<Str>,
        peer: Option<Str>,
        up: Option<bool>,
        enabled: Option<bool>,
        dhcpv4_options: Option<Weak<DhcpOptions>>,
        dhcpv6_options: Option<Weak<DhcpOptions>>,
        mirror_rules: Set<Weak<Mirror>>,
        ha_chassis_group: Option<Strong<HaChassisGroup>>,
        health_checks: Set<Strong<LogicalSwitchPortHealthCheck>>,
        external_ids: Map<Str, Str>,
    }

    /// How the health of network functions is probed.
    NetworkFunctionHealthCheck = "Network_Function_Health_Check" [index(&["name"])] {
        name: Str,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// A service that traffic is led through.
    NetworkFunction = "Network_Function" [root(), index(&["name"]), index(&["id"])] {
        name: Str,
        outport: Strong<LogicalSwitchPort>,
        inport: Strong<LogicalSwitchPort>,
        health_check: Option<Strong<NetworkFunctionHealthCheck>>,
        id: i64 [range(1..=255)],
        external_ids: Map<Str, Str>,
    }

    /// Network functions of which one is active at a time.
    NetworkFunctionGroup = "Network_Function_Group" [root(), index(&["name"]), index(&["id"])] {
        name: Str,
        fallback: Option<NetworkFunctionGroupFallback>,
        network_function: Set<Strong<NetworkFunction>>,
        network_function_active: Option<Strong<NetworkFunction>>,
        mode: NetworkFunctionGroupMode,
        id: i64 [range(1..=255)],
        external_ids: Map<Str, Str>,
    }

    /// A probe of the workload behind a port.
    LogicalSwitchPortHealthCheck = "Logical_Switch_Port_Health_Check" {
        protocol: LogicalSwitchPortHealthCheckProtocol,
        src_ip: Str,
        port: i64 [range(0..=65535)],
        address: Str,
        status: Option<MonitorStatus>,
        options: Map<Str, Str>,
    }

    /// A virtual IP whose traffic is spread over child ports.
    ForwardingGroup = "Forwarding_Group" {
        name: Str,
        vip: Str,
        vmac: Str,
        liveness: bool,
        external_ids: Map<Str, Str>,
        child_port: Set<Str> [at_least(1)],
    }

    /// A named set of addresses for match expressions, `$name`.
    AddressSet = "Address_Set" [root(), index(&["name"])] {
        name: Str,
        addresses: Set<Str>,
        external_ids: Map<Str, Str>,
    }

    /// A named set of switch ports for match expressions, `@name`, with its ACLs.
    PortGroup = "Port_Group" [root(), index(&["name"])] {
        name: Str,
        ports: Set<Weak<LogicalSwitchPort>>,
        acls: Set<Strong<Acl>>,
        external_ids: Map<Str, Str>,
    }

    /// Virtual IPs and their backends.
    LoadBalancer = "Load_Balancer" [root()] {
        name: Str,
        vips: Map<Str, Str>,
        protocol: Option<L4Protocol>,
        health_check: Set<Strong<LoadBalancerHealthCheck>>,
        ip_port_mappings: Map<Str, Str>,
        selection_fields: Set<LoadBalancerSelectionFields>,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// Load balancers that are attached together.
    LoadBalancerGroup = "Load_Balancer_Group" [root(), index(&["name"])] {
        name: Str,
        load_balancer: Set<Weak<LoadBalancer>>,
    }

    /// How the backends of a virtual IP are probed.
    LoadBalancerHealthCheck = "Load_Balancer_Health_Check" {
        vip: Str,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// An access rule of a switch or port group.
    Acl = "ACL" {
        name: Option<Str> [max_length(63)],
        priority: i64 [range(0..=32767)],
        direction: Direction,
        match_: Str,
        action: AclAction,
        network_function_group: Option<Strong<NetworkFunctionGroup>>,
        log: bool,
        severity: Option<Severity>,
        meter: Option<Str>,
        label: i64 [range(0..=4294967295)],
        tier: i64 [range(0..=3)],
        sample_new: Option<Strong<Sample>>,
        sample_est: Option<Strong<Sample>>,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
        /// Ours, not in OVN's schema: key `error` says why the ACL is left out.
        status: Map<Str, Str>,
    }

    /// Marking and rate limits of the traffic of a switch.
    Qos = "QoS" {
        priority: i64 [range(0..=32767)],
        direction: Direction,
        match_: Str,
        action: Map<QosAction, i64> [value_range(0..=4294967295)],
        bandwidth: Map<QosBandwidth, i64> [value_range(1..=4294967295)],
        external_ids: Map<Str, Str>,
    }

    /// Where copies of traffic are sent.
    Mirror = "Mirror" [root(), index(&["name"])] {
        name: Str,
        filter: MirrorFilter,
        sink: Str,
        type_: MirrorType,
        index: i64,
        mirror_rules: Set<Strong<MirrorRule>>,
        external_ids: Map<Str, Str>,
    }

    /// Which traffic a logical-port mirror copies.
    MirrorRule = "Mirror_Rule" {
        match_: Str,
        action: MirrorRuleAction,
        priority: i64 [range(0..=32767)],
    }

    /// A rate limit that other rows refer to by name.
    Meter = "Meter" [root(), index(&["name"])] {
        name: Str,
        unit: MeterUnit,
        bands: Set<Strong<MeterBand>> [at_least(1)],
        fair: Option<bool>,
        external_ids: Map<Str, Str>,
    }

    /// One threshold of a meter.
    MeterBand = "Meter_Band" {
        action: MeterAction,
        rate: i64 [range(1..=4294967295)],
        burst_size: i64 [range(0..=4294967295)],
        external_ids: Map<Str, Str>,
    }

    /// A router.
    LogicalRouter = "Logical_Router" [root()] {
        name: Str,
        ports: Set<Strong<LogicalRouterPort>>,
        static_routes: Set<Strong<LogicalRouterStaticRoute>>,
        policies: Set<Strong<LogicalRouterPolicy>>,
        enabled: Option<bool>,
        nat: Set<Strong<Nat>>,
        load_balancer: Set<Weak<LoadBalancer>>,
        load_balancer_group: Set<Strong<LoadBalancerGroup>>,
        copp: Option<Weak<Copp>>,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// A port of a logical router.
    LogicalRouterPort = "Logical_Router_Port" [index(&["name"])] {
        name: Str,
        gateway_chassis: Set<Strong<GatewayChassis>>,
        ha_chassis_group: Option<Strong<HaChassisGroup>>,
        options: Map<Str, Str>,
        networks: Set<Str>,
        mac: Str,
        peer: Option<Str>,
        enabled: Option<bool>,
        ipv6_ra_configs: Map<Str, Str>,
        ipv6_prefix: Set<Str>,
        dhcp_relay: Option<Strong<DhcpRelay>>,
        external_ids: Map<Str, Str>,
        status: Map<Str, Str>,
    }

    /// A static route.
    LogicalRouterStaticRoute = "Logical_Router_Static_Route" {
        route_table: Str,
        ip_prefix: Str,
        policy: Option<LogicalRouterStaticRoutePolicy>,
        nexthop: Str,
        output_port: Option<Str>,
        bfd: Option<Weak<Bfd>>,
        selection_fields: Set<LogicalRouterStaticRouteSelectionFields>,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// A policy-based route.
    LogicalRouterPolicy = "Logical_Router_Policy" {
        priority: i64 [range(0..=32767)],
        chain: Option<Str>,
        match_: Str,
        action: LogicalRouterPolicyAction,
        jump_chain: Option<Str>,
        nexthop: Option<Str>,
        nexthops: Set<Str>,
        output_port: Option<Weak<LogicalRouterPort>>,
        bfd_sessions: Set<Weak<Bfd>>,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// An address translation of a router.
    Nat = "NAT" {
        external_ip: Str,
        external_mac: Option<Str>,
        external_port_range: Str,
        logical_ip: Str,
        logical_port: Option<Str>,
        type_: NatType,
        allowed_ext_ips: Option<Strong<AddressSet>>,
        exempted_ext_ips: Option<Strong<AddressSet>>,
        gateway_port: Option<Weak<LogicalRouterPort>>,
        priority: i64 [range(0..=32767)],
        match_: Str,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// What DHCP answers for one subnet.
    DhcpOptions = "DHCP_Options" [root()] {
        cidr: Str,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// Where DHCP requests of a router port are relayed.
    DhcpRelay = "DHCP_Relay" [root()] {
        name: Str,
        servers: Option<Str>,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// A remote that the database server listens on or connects to.
    Connection = "Connection" [index(&["target"])] {
        target: Str,
        max_backoff: Option<i64> [range(1000..)],
        inactivity_probe: Option<i64>,
        other_config: Map<Str, Str>,
        external_ids: Map<Str, Str>,
        is_connected: bool [ephemeral()],
        status: Map<Str, Str> [ephemeral()],
    }

    /// Name records that switches answer locally.
    Dns = "DNS" [root()] {
        records: Map<Str, Str>,
        options: Map<Str, Str>,
        external_ids: Map<Str, Str>,
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

    /// A chassis that may host a gateway port, with its priority.
    GatewayChassis = "Gateway_Chassis" [index(&["name"])] {
        name: Str,
        chassis_name: Str,
        priority: i64 [range(0..=32767)],
        external_ids: Map<Str, Str>,
        options: Map<Str, Str>,
    }

    /// A chassis of a group, with its priority.
    HaChassis = "HA_Chassis" {
        chassis_name: Str,
        priority: i64 [range(0..=32767)],
        external_ids: Map<Str, Str>,
    }

    /// Chassis of which one is active at a time.
    HaChassisGroup = "HA_Chassis_Group" [root(), index(&["name"])] {
        name: Str,
        ha_chassis: Set<Strong<HaChassis>>,
        external_ids: Map<Str, Str>,
    }

    /// A BFD session of a logical port.
    Bfd = "BFD" [root(), index(&["logical_port", "dst_ip"])] {
        logical_port: Str,
        dst_ip: Str,
        min_tx: Option<i64> [range(1..)],
        min_rx: Option<i64>,
        detect_mult: Option<i64> [range(1..)],
        status: Option<BfdStatus>,
        external_ids: Map<Str, Str>,
        options: Map<Str, Str>,
    }

    /// A neighbour of a router port that is not resolved.
    StaticMacBinding = "Static_MAC_Binding" [root(), index(&["logical_port", "ip"])] {
        logical_port: Str,
        ip: Str,
        mac: Str,
        override_dynamic_mac: bool,
    }

    /// Values of template variables on one chassis.
    ChassisTemplateVar = "Chassis_Template_Var" [root(), index(&["chassis"])] {
        chassis: Str,
        variables: Map<Str, Str>,
        external_ids: Map<Str, Str>,
    }

    /// The identity of an application that samples packets.
    SamplingApp = "Sampling_App" [root(), index(&["type"])] {
        type_: SamplingAppType,
        id: i64 [range(1..=255)],
        external_ids: Map<Str, Str>,
    }
}
