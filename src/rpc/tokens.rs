//! Owns: the `Tokens` service. A derived secret is said here, in the answer to the one call that asked for it and its repetitions.
//! Never: a rule; a secret anywhere else.

mod ask;
mod show;

use crate::{command, decode, door, encode, periods, service::Shared, status};
use show::Sight;
use tallystick_core::{
    EnvelopeId, Refusal,
    role::{Actor, Role, Roles},
    seal::{Purpose, SecretName},
};
use tallystick_engine::{Engine, RefreshAnswer, TokenAnswer, TokenShown};
use tallystick_proto::v1::{self, tokens_server::Tokens};
use tonic::{Request, Response, Status};

pub(crate) struct TokensFace(pub(crate) Shared);

#[tonic::async_trait]
impl Tokens for TokensFace {
    async fn issue_token(
        &self,
        request: Request<v1::IssueTokenRequest>,
    ) -> Result<Response<v1::IssueTokenResponse>, Status> {
        let asked = request.get_ref();
        let purpose = if asked.renewal.is_some() { Purpose::Refresh } else { Purpose::Token };
        let derived = match &asked.renewal {
            Some(renewal) => renewal.refresh_secret_hash.is_empty(),
            None => asked.secret_hash.is_empty(),
        };
        let vault = &*self.0.vault;
        let ask = |engine: &Engine, r: v1::IssueTokenRequest| {
            let common = ask::common(&r);
            let proof = command::proof(&common.parent_secret, "parent_secret")?;
            let open = command::open_session(&common, proof.as_ref())?;
            self.check_derivable(derived, "secret_hash")?;
            Ok(engine.issue_token(&ask::issue(&r, open)?, vault))
        };
        let answer = self.0.unary(request, ask).await?;
        let mut response = v1::IssueTokenResponse {
            outcome: v1::Outcome::Approved.into(),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
            ..v1::IssueTokenResponse::default()
        };
        // A key that was lost derives other secrets than are recorded: those are not said.
        let mut is_same_key = true;
        let id = match answer.value {
            TokenAnswer::Open(shown) => {
                response.token = self.show(&shown, Sight::Operator);
                is_same_key = self.derives(&shown, purpose);
                shown.session.id
            }
            TokenAnswer::Settled(settlement) => settlement.session,
            TokenAnswer::Declined(decline) => {
                response.outcome = v1::Outcome::Declined.into();
                response.code = encode::code(decline.code).into();
                response.level = encode::level(decline.level).into();
                response.next = Some(encode::next(decline.next));
                return Ok(Response::new(response));
            }
        };
        response.token_id = id.to_string();
        let name = SecretName { token: id, generation: 0, purpose };
        response.secret = (derived && is_same_key).then(|| self.say(&name));
        Ok(Response::new(response))
    }

    async fn amend_token(
        &self,
        request: Request<v1::AmendTokenRequest>,
    ) -> Result<Response<v1::AmendTokenResponse>, Status> {
        let ask = |engine: &Engine, r: v1::AmendTokenRequest| Ok(engine.amend_token(&ask::amend(&r)?));
        let answer = self.0.unary(request, ask).await?;
        let decline = match &answer.value {
            TokenAnswer::Declined(decline) => Some(*decline),
            TokenAnswer::Open(_) | TokenAnswer::Settled(_) => None,
        };
        let token = match &answer.value {
            TokenAnswer::Open(shown) => self.show(shown, Sight::Operator),
            TokenAnswer::Settled(_) | TokenAnswer::Declined(_) => None,
        };
        Ok(Response::new(v1::AmendTokenResponse {
            outcome: encode::outcome(decline.as_ref()).into(),
            token,
            code: decline.map_or(0, |no| encode::code(no.code).into()),
            level: decline.map_or(0, |no| encode::level(no.level).into()),
            next: decline.map(|no| encode::next(no.next)),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
        }))
    }

    async fn refresh_token(
        &self,
        request: Request<v1::RefreshTokenRequest>,
    ) -> Result<Response<v1::RefreshTokenResponse>, Status> {
        let asked = request.get_ref();
        let (derives_refresh, derives_secret) =
            (asked.new_refresh_secret_hash.is_empty(), asked.new_secret_hash.is_empty());
        let vault = &*self.0.vault;
        let ask = |engine: &Engine, r: v1::RefreshTokenRequest| {
            self.check_derivable(derives_refresh, "new_refresh_secret_hash")?;
            self.check_derivable(derives_secret, "new_secret_hash")?;
            Ok(engine.refresh_token(&ask::refresh(&r)?, vault, &periods::period))
        };
        let answer = self.0.unary(request, ask).await?;
        let mut response = v1::RefreshTokenResponse {
            outcome: v1::Outcome::Approved.into(),
            seq: answer.seq,
            replayed: answer.replayed,
            durability: encode::durability(&self.0.engine).into(),
            ..v1::RefreshTokenResponse::default()
        };
        match answer.value {
            RefreshAnswer::Yielded { token, standing, generation, carried, dropped } => {
                let id = token.session.id;
                let say = |token, purpose| self.say(&SecretName { token, generation, purpose });
                response.token = self.show(&token, Sight::Holder);
                response.generation = generation;
                response.secret = derives_secret.then(|| say(id, Purpose::Token));
                response.refresh_secret = derives_refresh.then(|| say(standing, Purpose::Refresh));
                response.carried_count = u32::try_from(carried).unwrap_or(u32::MAX);
                response.dropped_count = u32::try_from(dropped).unwrap_or(u32::MAX);
            }
            RefreshAnswer::Declined(decline) => {
                response.outcome = v1::Outcome::Declined.into();
                response.code = encode::code(decline.code).into();
                response.level = encode::level(decline.level).into();
                response.next = Some(encode::next(decline.next));
            }
        }
        Ok(Response::new(response))
    }

    async fn get_token(
        &self,
        request: Request<v1::GetTokenRequest>,
    ) -> Result<Response<v1::GetTokenResponse>, Status> {
        let proof = command::proof(&request.get_ref().secret, "secret")?;
        let sight = sight(door::asked(&request)?.asked_for(), proof.is_some());
        let ask = |engine: &Engine, r: v1::GetTokenRequest| {
            Ok(engine.token(decode::token(&r.token_id, "token_id").map_err(decode::refuse)?))
        };
        let shown = self.0.unary(request, ask).await?;
        let secret = shown.session.guard.as_ref().and_then(|guard| guard.secret);
        let is_wrong = proof.is_some() && (proof != secret || secret.is_none());
        match sight {
            Some(sight) if !is_wrong => {
                Ok(Response::new(v1::GetTokenResponse { token: self.show(&shown, sight) }))
            }
            Some(_) | None => self.0.tell_refusal(Err(status::of_refusal(&Refusal::SecretWrong))),
        }
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let ask = |engine: &Engine, r: v1::ListTokensRequest| {
            let account = decode::account(&r.account_id, "account_id").map_err(decode::refuse)?;
            Ok(engine.tokens(account, decode::cursor(&r.page_token)?, decode::page_size(r.page_size)?))
        };
        let page = self.0.unary(request, ask).await?;
        Ok(Response::new(v1::ListTokensResponse {
            tokens: page.rows.iter().filter_map(|shown| self.show(shown, Sight::Operator)).collect(),
            next_page_token: encode::page_token(page.next),
        }))
    }

    async fn get_tree(
        &self,
        request: Request<v1::GetTreeRequest>,
    ) -> Result<Response<v1::GetTreeResponse>, Status> {
        let (root, asked) = (ask::root(&request.get_ref().root_id)?, door::asked(&request)?);
        let ask = |engine: &Engine, r: v1::GetTreeRequest| {
            Ok(engine.tree(root, decode::cursor(&r.page_token)?, decode::page_size(r.page_size)?))
        };
        let page = self.0.unary(request, ask).await?;
        let account = match root {
            EnvelopeId::Account(id) => Some(asked.account(id).await),
            EnvelopeId::Session(_) => None,
        };
        let account = account.transpose().map_err(|fault| status::of(&fault))?;
        Ok(Response::new(v1::GetTreeResponse {
            account: account.as_ref().map(|account| encode::account(account, asked.now())),
            nodes: page.rows.iter().map(show::node).collect(),
            next_page_token: encode::page_token(page.next),
        }))
    }
}

/// Says how much of a token whoever asks may see. Who has its secret, or is the payee that it is for, sees what risk systems ask for;
/// who issues, stops, settles, operates or audits sees all of it; anybody else, nothing.
fn sight(actor: &Actor, has_secret: bool) -> Option<Sight> {
    let all = Roles::of(&[Role::Grant, Role::Stop, Role::Settle, Role::Operate, Role::Audit]);
    if has_secret || actor.payee.is_some() {
        return Some(Sight::Holder);
    }
    actor.roles.meets(all).then_some(Sight::Operator)
}

impl TokensFace {
    fn show(&self, shown: &TokenShown, sight: Sight) -> Option<v1::Token> {
        // Accounts are never deleted, and what is read of this one never changes, so this waits for nothing.
        let account = self.0.engine.account_of(shown.session.account);
        show::token(shown, account.as_ref(), sight)
    }

    /// Returns whether what is recorded of a token's first secret is what the key derives, as far as that is still recorded.
    fn derives(&self, shown: &TokenShown, purpose: Purpose) -> bool {
        let Some(guard) = &shown.session.guard else { return true };
        let family = guard.token.as_ref().and_then(|token| token.family());
        let recorded = match family {
            Some(family) => Some(family.refresh.hash).filter(|_| family.generation == 0),
            None => guard.secret,
        };
        let name = SecretName { token: shown.session.id, generation: 0, purpose };
        recorded.is_none_or(|hash| hash == self.0.vault.seal(&name).0)
    }

    fn check_derivable(&self, derived: bool, field: &'static str) -> Result<(), Status> {
        if derived && !self.0.vault.is_open() {
            return Err(status::malformed(
                field,
                "must be given: this server has no sealed key to derive from",
            ));
        }
        Ok(())
    }

    fn say(&self, name: &SecretName) -> v1::DerivedSecret {
        let secret = self.0.vault.secret(name);
        let (_, prefix) = self.0.vault.seal(name);
        v1::DerivedSecret { secret, prefix: prefix.as_str().to_owned() }
    }
}
