//! The methods by their names, for REST.

use axum::http::Extensions;
use hvd::door::rest::{Answering, Methods, many, one};
use rpc::region::v1::region_server::Region;
use serde_json::Value;
use tonic::Status;

use super::Service;

/// The call of the method of this name.
macro_rules! call {
    ($service:expr, $name:expr, $request:expr, $extensions:expr;
     $($known:literal => $form:ident($method:ident),)*) => {{
        let it: Service = $service;
        match $name {
            $($known => $form($request, $extensions, move |r| async move { it.$method(r).await }),)*
            other => {
                let status = Status::unimplemented(format!("not supported: {other} over REST"));
                Box::pin(async { Err(status) })
            }
        }
    }};
}

impl Methods for Service {
    fn call(&self, method: &str, request: Value, extensions: Extensions) -> Answering {
        call! {
            self.clone(), method, request, extensions;
            "GetStatus" => one(get_status),
            "Register" => one(register),
            "PutHypervisor" => one(put_hypervisor),
            "RemoveHypervisor" => one(remove_hypervisor),
            "GetHypervisor" => one(get_hypervisor),
            "ListHypervisors" => one(list_hypervisors),
            "PutCustomer" => one(put_customer),
            "RemoveCustomer" => one(remove_customer),
            "ListCustomers" => one(list_customers),
            "PutMachine" => one(put_machine),
            "RemoveMachine" => one(remove_machine),
            "GetMachine" => one(get_machine),
            "ListMachines" => one(list_machines),
            "BeginMove" => one(begin_move),
            "FinishMove" => one(finish_move),
            "CancelMove" => one(cancel_move),
            "AddRule" => one(add_rule),
            "RemoveRule" => one(remove_rule),
            "ListRules" => one(list_rules),
            "Enable" => one(enable),
            "Disable" => one(disable),
            "PutFloatingAddress" => one(put_floating_address),
            "RemoveFloatingAddress" => one(remove_floating_address),
            "ListFloatingAddresses" => one(list_floating_addresses),
            "GetAction" => one(get_action),
            "ListActions" => one(list_actions),
            "StopAction" => one(stop_action),
            "ResumeAction" => one(resume_action),
            "WatchAction" => many(watch_action),
        }
    }
}
