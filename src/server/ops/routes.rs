//! Owns: paths, status codes and content types of the operations listener. Never: what a metric means.

use super::{
    Ops,
    archive::AdminFace,
    money,
    scrape::{self, Page},
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;
use tallystick_proto::admin::admin_server::{self, AdminServer};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn router(ops: Arc<Ops>) -> Router {
    let admin = AdminServer::new(AdminFace(Arc::clone(&ops)));
    Router::new()
        .route_service(&format!("/{}/{{*call}}", admin_server::SERVICE_NAME), admin)
        .route("/metrics", get(|State(ops)| metrics(ops)))
        .route("/healthz", get(|State(ops)| healthz(ops)))
        .route("/readyz", get(|State(ops)| readyz(ops)))
        .route("/books", get(|State(ops)| books(ops)))
        .with_state(ops)
}

fn text(status: StatusCode, line: &str) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{line}\n")).into_response()
}

pub(super) async fn metrics(ops: Arc<Ops>) -> Response {
    let seen = match ops.live() {
        Some(live) => live.see().await,
        None => None,
    };
    let reasons = ops.readiness.reasons().await;
    match scrape::text(Page { metrics: Arc::clone(&ops.metrics), reasons, seen }) {
        Ok(body) => ([(CONTENT_TYPE, OPENMETRICS)], body).into_response(),
        Err(fault) => text(StatusCode::INTERNAL_SERVER_ERROR, &fault.to_string()),
    }
}

/// Says whether the process is worth keeping: one that waits, recovers or drains is.
pub(super) async fn healthz(ops: Arc<Ops>) -> Response {
    if ops.bell.has_rung() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "the journal failed: the process ends");
    }
    text(StatusCode::OK, "alive")
}

/// Says whether calls should be sent here, and each reason why not.
pub(super) async fn readyz(ops: Arc<Ops>) -> Response {
    let reasons = ops.readiness.reasons().await;
    if reasons.is_empty() {
        return text(StatusCode::OK, "ready");
    }
    let texts: Vec<&str> = reasons.iter().map(|reason| reason.text()).collect();
    text(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {}", texts.join("; ")))
}

pub(super) async fn books(ops: Arc<Ops>) -> Response {
    let seen = match ops.live() {
        Some(live) => live.see().await,
        None => None,
    };
    let Some(totals) = seen.and_then(|seen| seen.totals) else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "no books have become durable here yet");
    };
    ([(CONTENT_TYPE, "application/json")], format!("{:#}\n", money::json(&totals))).into_response()
}
