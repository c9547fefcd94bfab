//! A real switch is made to hold exactly what it should.

#[path = "../../openflow/tests/switch/mod.rs"]
mod switch;

use openflow::message::{Meter, MeterCommand, MeterMod};
use openflow::session::{Config, RequestError};
use openflow::sync::State;
use openflow::{Flow, Group, Message, Version, Versions};
use switch::Switch;
use transport::Remote;
use transport::openflow::{Client, Error, Event, Handle, Verify};

fn state(flows: &[&str], groups: &[&str], meters: &[&str]) -> State {
    let flows = flows
        .iter()
        .map(|text| text.parse::<Flow>().expect("a flow"));
    let groups = groups
        .iter()
        .map(|text| text.parse::<Group>().expect("a group"));
    let meters = meters
        .iter()
        .map(|text| text.parse::<Meter>().expect("a meter"));
    State::new(flows, groups).with_meters(meters)
}

async fn connect(switch: &Switch, version: Version) -> (Client, Handle) {
    let config = Config {
        versions: Versions::only(version),
        ..Config::default()
    };
    let mut client = Client::new(Remote::Unix(switch.management()), config);
    let event = tokio::time::timeout(std::time::Duration::from_secs(30), client.next());
    assert_eq!(event.await.expect("in time"), Some(Event::Connected));
    let handle = client.handle();
    (client, handle)
}

const METER: &str = "meter=1,kbps,bands=type=drop,rate=1000";

#[tokio::test]
async fn a_switch_holds_what_it_should_and_a_refusal_changes_nothing() {
    let switch = Switch::start();
    for version in [Version::V13, Version::V14, Version::V15] {
        let (_client, handle) = connect(&switch, version).await;
        let first = state(
            &[
                "table=1,tcp actions=meter:1,group:7",
                "udp actions=output:2",
            ],
            &["group_id=7,type=all,bucket=actions=output:1"],
            &[METER, "meter=2,pktps,bands=type=drop,rate=5"],
        );
        let changes = handle.synchronise(&first, Verify::Yes).await;
        assert_eq!(changes, Ok(5), "{version}");
        assert_eq!(
            handle.synchronise(&first, Verify::Yes).await,
            Ok(0),
            "{version}"
        );
        // A meter goes, one changes, one comes; the group goes with its flow.
        let second = state(
            &[
                "table=1,tcp actions=meter:3,output:3",
                "udp actions=output:2",
            ],
            &[],
            &[
                "meter=2,pktps,bands=type=drop,rate=6",
                "meter=3,kbps,bands=type=drop,rate=7",
            ],
        );
        assert_eq!(
            handle.synchronise(&second, Verify::Yes).await,
            Ok(5),
            "{version}"
        );
        let before = handle.held().await.expect("it says");
        let bad = state(
            &["table=1,tcp actions=group:99"],
            &[],
            &[
                "meter=2,pktps,bands=type=drop,rate=9",
                "meter=4,kbps,bands=type=drop,rate=7",
            ],
        );
        let refused = handle.synchronise(&bad, Verify::No).await;
        assert!(
            matches!(refused, Err(Error::Bundle(_))),
            "{version}: {refused:?}"
        );
        assert_eq!(handle.held().await, Ok(before), "{version}");
        let nothing = State::default();
        assert_eq!(
            handle.synchronise(&nothing, Verify::Yes).await,
            Ok(4),
            "{version}"
        );
    }
}

#[tokio::test]
async fn what_has_no_answer_is_told_and_its_refusal_is_heard() {
    let switch = Switch::start();
    let (_client, handle) = connect(&switch, Version::V15).await;
    let add = || {
        Message::MeterMod(MeterMod {
            command: MeterCommand::Add,
            meter: METER.parse().expect("a meter"),
        })
    };
    assert_eq!(handle.tell(add()).await, Ok(()));
    match handle.tell(add()).await {
        Err(Error::Request(RequestError::Refused(error))) => {
            assert_eq!(error.name(), Some("OFPMMFC_METER_EXISTS"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(handle.barrier().await, Ok(()));
}
