//! Owns: rows whose bytes no generated client would send: texts that are not UTF-8, messages cut short, messages too
//! long; and deadlines that have passed, sent by a client that does not look at them itself.

use super::{
    World,
    expected::{DEADLINE, transport},
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use prost::bytes::{Buf as _, BufMut as _};
use tallystick_proto::v1::authorizer_client::AuthorizerClient;
use tonic::{
    Code, Request, Response, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

/// Sends and takes bytes as they are.
#[derive(Debug, Default, Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; buf.remaining()];
        buf.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

async fn unary(channel: &Channel, path: &'static str, body: Vec<u8>) -> Result<Response<Vec<u8>>, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    grpc.unary(Request::new(body), PathAndQuery::from_static(path), Bytes).await
}

/// Sends one message on a stream and returns how the stream ended.
async fn streamed(channel: &Channel, body: Vec<u8>) -> Result<Response<Vec<u8>>, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/tallystick.v1.Authorizer/AuthorizeStream");
    let asks = Request::new(tokio_stream::iter([body]));
    let mut answers = grpc.streaming(asks, path, Bytes).await?.into_inner();
    match answers.message().await? {
        Some(answer) => Ok(Response::new(answer)),
        None => panic!("the stream ended without a word"),
    }
}

const AUTHORIZE: &str = "/tallystick.v1.Authorizer/Authorize";
const OPEN_SESSION: &str = "/tallystick.v1.Authorizer/OpenSession";
const CREATE_PAYEE: &str = "/tallystick.v1.Payees/CreatePayee";
const CREATE_ACCOUNT: &str = "/tallystick.v1.Accounts/CreateAccount";

/// Writes a field that has a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
    bytes.extend_from_slice(content);
    bytes
}

pub(crate) async fn refuse(world: &World) {
    let bad = &[b'k', 0xff, 0xfe];
    let rows = [
        ("Authorize: session_id not UTF-8", AUTHORIZE, field(1, bad), "AuthorizeRequest.session_id"),
        ("Authorize: key not UTF-8", AUTHORIZE, field(5, bad), "AuthorizeRequest.intent"),
        ("Authorize: reference not UTF-8", AUTHORIZE, field(7, bad), "AuthorizeRequest.reference"),
        ("Authorize: a writer's id not UTF-8", AUTHORIZE, field(6, &field(1, bad)), "WriterNumber.writer_id"),
        ("OpenSession: principal not UTF-8", OPEN_SESSION, field(12, &field(1, bad)), "Authority.principal"),
        ("OpenSession: payee_ids not UTF-8", OPEN_SESSION, field(7, bad), "OpenSessionRequest.payee_ids"),
        ("CreatePayee: name not UTF-8", CREATE_PAYEE, field(2, bad), "CreatePayeeRequest.name"),
        ("CreateAccount: currency not UTF-8", CREATE_ACCOUNT, field(2, bad), "CreateAccountRequest.currency"),
        (
            "Authorize: a text where a number must be",
            AUTHORIZE,
            field(3, b"7"),
            "AuthorizeRequest.amount_nanos",
        ),
        ("Authorize: a message cut short", AUTHORIZE, vec![0x0a, 9, b's'], "AuthorizeRequest.session_id"),
        ("Authorize: field number 0", AUTHORIZE, vec![0x02, 0], "tag"),
        ("Authorize: not protobuf at all", AUTHORIZE, b"{\"amount\":7}".to_vec(), ""),
    ];
    for (sent, path, body, named) in rows {
        let call = unary(&world.channel, path, body);
        world.refuses(sent, transport(Code::InvalidArgument, named), call).await;
    }
    // hello { writer_id }, and batch { debits { idempotency_key } }.
    let rows = [
        ("stream: writer_id not UTF-8", field(1, &field(1, bad)), "Hello.writer_id"),
        ("stream: a key not UTF-8", field(2, &field(4, &field(6, bad))), "StreamDebit.idempotency_key"),
    ];
    for (sent, body, named) in rows {
        let call = streamed(&world.channel, body);
        world.refuses(sent, transport(Code::InvalidArgument, named), call).await;
    }
    too_long(world).await;
    let call = unary(&world.channel, "/tallystick.v1.Authorizer/Mint", Vec::new());
    world.refuses("a call that does not exist", transport(Code::Unimplemented, ""), call).await;
    deadlines(world).await;
}

async fn too_long(world: &World) {
    let long = vec![0; (1 << 20) + 1];
    let expected = transport(Code::OutOfRange, "1048576 bytes");
    for (sent, path) in [
        ("Authorize: a message of 1 MiB and a byte", AUTHORIZE),
        ("OpenSession: a message of 1 MiB and a byte", OPEN_SESSION),
        ("CreatePayee: a message of 1 MiB and a byte", CREATE_PAYEE),
    ] {
        world.refuses(sent, expected, unary(&world.channel, path, long.clone())).await;
    }
    let call = streamed(&world.channel, long);
    world.refuses("stream: a message of 1 MiB and a byte", expected, call).await;
}

/// Tonic's own channel would give up by itself, before anything is sent.
async fn deadlines(world: &World) {
    let http = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let origin = format!("http://{}", world.server.address).parse().unwrap();
    let mut client = AuthorizerClient::with_origin(http, origin);
    for timeout in ["0n", "1n", "0S"] {
        let debit = world.debit();
        let mut request = Request::new(debit.clone());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        world
            .refuses(format!("Authorize: grpc-timeout {timeout}"), DEADLINE, client.authorize(request))
            .await;
        assert!(!world.approved(debit).await.replayed, "the same key is free");
        let mut request = Request::new(world.opening());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        let call = client.open_session(request);
        world.refuses(format!("OpenSession: grpc-timeout {timeout}"), DEADLINE, call).await;
    }
}
