//! Owns: rows of the listings: sizes and tokens of pages.

use super::{World, expected::malformed};
use tallystick_proto::v1;

pub(crate) async fn refuse(world: &World) {
    for page_size in [1_001, u32::MAX] {
        for call in ["ListAccounts", "ListPayees", "ListSessions", "ListSettlements"] {
            let sent = format!("{call}: page_size {page_size}");
            page(world, call, &sent, page_size, "").await;
        }
    }
    for token in ["rubbish", "1", "1.2.3", "256.0", "0.4294967296", "-1.0", "+1.+2", " 0.0", "٣.0"] {
        for call in ["ListAccounts", "ListPayees", "ListSessions"] {
            let sent = format!("{call}: page_token {token:?}");
            page(world, call, &sent, 0, token).await;
        }
    }
}

async fn page(world: &World, call: &str, sent: &str, page_size: u32, token: &str) {
    let field = if page_size == 0 { "page_token" } else { "page_size" };
    let (expected, page_token) = (malformed(field), token.to_owned());
    match call {
        "ListAccounts" => {
            let mut client = world.accounts();
            let call = client.list_accounts(v1::ListAccountsRequest { page_size, page_token });
            world.refuses(sent, expected, call).await;
        }
        "ListPayees" => {
            let mut client = world.payees();
            let call = client.list_payees(v1::ListPayeesRequest { page_size, page_token });
            world.refuses(sent, expected, call).await;
        }
        "ListSessions" => {
            let mut client = world.authorizer();
            let account_id = world.stage.account_id.clone();
            let call = client.list_sessions(v1::ListSessionsRequest { account_id, page_size, page_token });
            world.refuses(sent, expected, call).await;
        }
        _ => {
            let mut client = world.settlements();
            let call = client.list_settlements(v1::ListSettlementsRequest { page_size, after_seq: 0 });
            world.refuses(sent, expected, call).await;
        }
    }
}
