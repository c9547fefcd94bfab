//! Over TLS a hypervisor is believed only if its certificate bears its name.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

#[path = "../../hvd/tests/support/pki.rs"]
mod pki;
mod support;

use model::Set;
use pki::Pki;
use region::fleet::LinkState;
use region::request::Request;
use server::Place;
use support::fleet::Simulated;
use support::{ask, until, until_leads};

#[tokio::test(flavor = "multi_thread")]
async fn a_hypervisor_is_the_one_that_its_certificate_names() {
    let (pki, folder) = (Pki::new(), tempfile::tempdir().unwrap());
    for name in ["region", "hv0"] {
        pki.issue(name, |_| {});
    }
    let mut flags = pki.flags("hv0");
    flags.extend(["--listen=pssl:0:127.0.0.1", "--allow-client=region"].map(str::to_owned));
    let host = Simulated::start_with(folder.path(), "hv0", &flags).await;
    let endpoint = format!("ssl:127.0.0.1:{}", host.ports[0]);
    let place = Place::File(folder.path().join("region.db"));
    let options = pki.args("region").options().unwrap();
    let engine = support::start_with(&place, "here", options).await;
    let handle = engine.handle();
    until_leads(&handle).await;
    for name in ["hv0", "hv1"] {
        let put = Request::PutHypervisor {
            name: name.into(),
            endpoint: endpoint.as_str().into(),
            tags: Set::default(),
            enabled: true,
        };
        handle.ask(ask(put)).await.unwrap();
    }
    let link = |name: &str, is: &dyn Fn(LinkState<'_>) -> bool| {
        handle.read(|state| {
            let (uuid, _) = state.view().hypervisor(name).unwrap();
            state.link(uuid).is_some_and(is)
        })
    };
    until("the link to be up", || {
        link("hv0", &|link| link == LinkState::Up { machines: 0 })
    })
    .await;
    until("the other link to be refused", || {
        link(
            "hv1",
            &|link| matches!(link, LinkState::Down(reason) if reason.contains("not for \"hv1\"")),
        )
    })
    .await;
    engine.stop().await;
}
