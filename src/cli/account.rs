//! Owns: `tallystick account`: create, fund, look at accounts. Never: a rule about money; those are the server's.

use crate::{
    Failure,
    desk::{Desk, Limit, Reach, Said},
    ids,
    key::KeyArg,
    moment,
    show::{self, Declined, Shown},
    velocity,
};
use clap::{Args, Subcommand};
use tallystick_client::v1::{self, Account, DepositInfo, Durability, Outcome};

/// Takes `tallystick account`.
#[derive(Debug, Args)]
pub struct AccountArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: AccountCommand,
}

/// Is what can be done with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Create an account: prepaid, a credit line, or on an authority of another PSP.
    Create(Box<CreateArgs>),
    /// Show an account.
    Show {
        /// The account, acc_…
        #[arg(value_parser = ids::account)]
        account: String,
    },
    /// List accounts.
    List(Limit),
    /// Add money, available at once or on its way.
    Deposit {
        #[command(flatten)]
        sum: Sum,
        /// The money is on its way: it is available once `account confirm` says so.
        #[arg(long)]
        pending: bool,
    },
    /// List an account's deposits.
    Deposits {
        /// The account, acc_…
        #[arg(value_parser = ids::account)]
        account: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Make a pending deposit available.
    Confirm {
        /// The deposit, dep_…
        #[arg(value_parser = ids::deposit)]
        deposit: String,
    },
    /// End a pending deposit that will not come.
    Fail {
        /// The deposit, dep_…
        #[arg(value_parser = ids::deposit)]
        deposit: String,
    },
    /// Take an available deposit back, whole: the bank has.
    Return {
        /// The deposit, dep_…
        #[arg(value_parser = ids::deposit)]
        deposit: String,
    },
    /// Take available money out.
    Withdraw(Sum),
    /// Pay back what a credit line has outstanding.
    Repay(Sum),
    /// Set the limit of a credit line.
    Limit {
        /// The account, acc_…
        #[arg(value_parser = ids::account)]
        account: String,
        /// The limit from now on, such as 250.00.
        amount: String,
        #[command(flatten)]
        key: KeyArg,
    },
}

/// Takes a sum of an account's money.
#[derive(Debug, Args)]
pub(crate) struct Sum {
    /// The account, acc_…
    #[arg(value_parser = ids::account)]
    account: String,
    /// How much, such as 10.00.
    amount: String,
    /// The currency, which must be the account's; asked of the server when absent.
    #[arg(long)]
    currency: Option<String>,
    #[command(flatten)]
    key: KeyArg,
}

/// Takes what an account is created with.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The currency: USD, JPY, USDC@base …
    currency: String,
    /// Your own name for it.
    #[arg(long, default_value = "")]
    reference: String,
    /// Make it a credit line with this limit.
    #[arg(long, value_name = "AMOUNT", conflicts_with = "authority")]
    credit_limit: Option<String>,
    /// Put it on an authority of another PSP or a card network: its name there, for collection.
    #[arg(long, value_name = "NAME", requires_all = ["authority_amount", "usable_until"])]
    authority: Option<String>,
    /// How much the authority allows.
    #[arg(long, value_name = "AMOUNT", requires = "authority")]
    authority_amount: Option<String>,
    /// Nothing can be collected from here on: an instant such as 2026-12-31T00:00:00Z.
    #[arg(long, value_name = "INSTANT", requires = "authority")]
    usable_until: Option<String>,
    /// Sessions end at least this long before that; an hour when absent.
    #[arg(long, value_name = "SPAN", requires = "authority")]
    margin: Option<String>,
    /// The payment method behind it, by commas: KIND,BRAND,LAST_FOUR,FUNDING, such as card,visa,4242,debit.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    #[arg(long, value_name = "MOST/SPAN", help = velocity::HELP)]
    velocity: Vec<String>,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(command: AccountCommand, desk: &Desk) -> Result<Said, Failure> {
    match command {
        AccountCommand::Create(args) => create(*args, desk).await,
        AccountCommand::Show { account } => {
            let shown = show::show_account(&get(&account, desk).await?, desk.money);
            Ok(Said::done(shown.text(), shown.json()))
        }
        AccountCommand::List(limit) => list(limit, desk).await,
        AccountCommand::Deposit { sum, pending } => deposit(sum, pending, desk).await,
        AccountCommand::Deposits { account, limit } => deposits(account, limit, desk).await,
        AccountCommand::Confirm { deposit } => confirm(deposit, desk).await,
        AccountCommand::Fail { deposit } => fail(deposit, desk).await,
        AccountCommand::Return { deposit } => give_back(deposit, desk).await,
        AccountCommand::Withdraw(sum) => withdraw(sum, desk).await,
        AccountCommand::Repay(sum) => repay(sum, desk).await,
        AccountCommand::Limit { account, amount, key } => limit(account, &amount, key, desk).await,
    }
}

async fn get(account: &str, desk: &Desk) -> Result<Account, Failure> {
    let doing = "show the account";
    let request = v1::GetAccountRequest { account_id: account.to_owned() };
    let answer = desk.call(doing, desk.client.get_account(request)).await?;
    answer.account.ok_or(Failure::Answer { doing, missing: "account" })
}

async fn create(args: CreateArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "create the account";
    let external_authority = match &args.authority {
        None => None,
        Some(reference) => Some(authority(reference, &args, desk)?),
    };
    let credit_limit_nanos = desk.money.read_or_none("--credit-limit", args.credit_limit.as_deref())?;
    let funding = match (&external_authority, credit_limit_nanos) {
        (Some(_), _) => v1::Funding::ExternalAuthority,
        (None, 0) => v1::Funding::Prepaid,
        (None, _) => v1::Funding::CreditLine,
    };
    let payment_method = args.method.as_deref().map(payment_method).transpose()?;
    let velocity = velocity::read(&args.velocity, &args.currency, desk.money)?;
    let key = args.key.take()?;
    let request = v1::CreateAccountRequest {
        idempotency_key: key.clone(),
        currency: args.currency,
        reference: args.reference,
        funding: funding.into(),
        credit_limit_nanos,
        external_authority,
        payment_method,
        velocity,
    };
    let answer = desk.keyed(doing, &key, desk.client.create_account(request)).await?;
    let account = answer.account.as_ref().ok_or(Failure::Answer { doing, missing: "account" })?;
    let shown = show::show_account(account, desk.money);
    Ok(changed(shown, answer.seq, answer.replayed, answer.durability()))
}

fn authority(reference: &str, args: &CreateArgs, desk: &Desk) -> Result<v1::ExternalAuthority, Failure> {
    let amount = args.authority_amount.as_deref().unwrap_or_default();
    let until = args.usable_until.as_deref().unwrap_or_default();
    let margin = args.margin.as_deref().map(|margin| moment::read_span("--margin", margin)).transpose()?;
    Ok(v1::ExternalAuthority {
        reference: reference.to_owned(),
        amount_nanos: desk.money.read("--authority-amount", amount)?,
        usable_until: Some(moment::read_instant("--usable-until", until)?),
        margin: margin.map(moment::to_wire),
    })
}

fn payment_method(text: &str) -> Result<v1::PaymentMethod, Failure> {
    let mut parts = text.split(',').map(|part| part.trim().to_owned());
    let mut next = || parts.next().unwrap_or_default();
    let (kind, brand, last_four, funding_type) = (next(), next(), next(), next());
    if parts.next().is_some() {
        return Err(Failure::usage("--method", text, "must be at most KIND,BRAND,LAST_FOUR,FUNDING"));
    }
    Ok(v1::PaymentMethod { kind, brand, last_four, funding_type })
}

fn changed(shown: Shown, seq: u64, replayed: bool, durability: Durability) -> Said {
    let shown = shown.record(seq, replayed, durability);
    Said::done(shown.text(), shown.json())
}

async fn list(limit: Limit, desk: &Desk) -> Result<Said, Failure> {
    let (mut rows, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListAccountsRequest { page_size: limit.page_size(), page_token };
        let page = desk.call("list accounts", desk.client.list_accounts(request)).await?;
        rows.extend(page.accounts);
        page_token = page.next_page_token;
        if page_token.is_empty() || limit.is_passed(rows.len()) {
            let more = limit.cut(&mut rows);
            return Ok(show::accounts(&rows, more, (desk.look, desk.money)));
        }
    }
}

async fn deposits(account_id: String, limit: Limit, desk: &Desk) -> Result<Said, Failure> {
    let (mut rows, mut page_token) = (Vec::new(), String::new());
    loop {
        let account_id = account_id.clone();
        let request = v1::ListDepositsRequest { account_id, page_size: limit.page_size(), page_token };
        let page = desk.call("list deposits", desk.client.list_deposits(request)).await?;
        rows.extend(page.deposits);
        page_token = page.next_page_token;
        if page_token.is_empty() || limit.is_passed(rows.len()) {
            let more = limit.cut(&mut rows);
            return Ok(show::deposits(&rows, more, (desk.look, desk.money)));
        }
    }
}

impl Sum {
    /// Returns account, key, nanos and currency.
    async fn read(self, desk: &Desk) -> Result<(String, String, u64, String), Failure> {
        let nanos = desk.money.read("AMOUNT", &self.amount)?;
        let key = self.key.take()?;
        let currency = match self.currency {
            Some(currency) => currency,
            None => get(&self.account, desk).await?.currency,
        };
        Ok((self.account, key, nanos, currency))
    }
}

/// Shows a deposit and what its account can give now.
fn funded(
    deposit: Option<&DepositInfo>,
    account: Option<&Account>,
    desk: &Desk,
    (seq, replayed, durability): (u64, bool, Durability),
) -> Said {
    let shown = deposit.map_or_else(Shown::new, |deposit| show::show_deposit(deposit, desk.money));
    let shown = match account {
        None => shown,
        Some(account) => {
            let json = show::show_account(account, desk.money).json();
            let available = account.available_nanos_total.parse::<u128>().unwrap_or_default();
            let text = format!("{} {} available", desk.money.show(available), account.currency);
            let shown = shown.fact("account", account.account_id.as_str()).fact("now", text);
            shown.fields(|fields| fields.put("account", json))
        }
    };
    changed(shown, seq, replayed, durability)
}

async fn deposit(sum: Sum, pending: bool, desk: &Desk) -> Result<Said, Failure> {
    let (account_id, key, amount_nanos, currency) = sum.read(desk).await?;
    let idempotency_key = key.clone();
    let request = v1::DepositRequest { account_id, idempotency_key, amount_nanos, currency, pending };
    let answer = desk.keyed("deposit", &key, desk.client.deposit(request)).await?;
    let record = (answer.seq, answer.replayed, answer.durability());
    Ok(funded(answer.deposit.as_ref(), answer.account.as_ref(), desk, record))
}

async fn confirm(deposit_id: String, desk: &Desk) -> Result<Said, Failure> {
    let request = v1::ConfirmDepositRequest { deposit_id };
    let answer = desk.call("confirm the deposit", desk.client.confirm_deposit(request)).await?;
    let record = (answer.seq, answer.replayed, answer.durability());
    Ok(funded(answer.deposit.as_ref(), answer.account.as_ref(), desk, record))
}

async fn fail(deposit_id: String, desk: &Desk) -> Result<Said, Failure> {
    let request = v1::FailDepositRequest { deposit_id };
    let answer = desk.call("fail the deposit", desk.client.fail_deposit(request)).await?;
    let record = (answer.seq, answer.replayed, answer.durability());
    Ok(funded(answer.deposit.as_ref(), answer.account.as_ref(), desk, record))
}

async fn give_back(deposit_id: String, desk: &Desk) -> Result<Said, Failure> {
    let request = v1::ReturnDepositRequest { deposit_id };
    let answer = desk.call("return the deposit", desk.client.return_deposit(request)).await?;
    let record = (answer.seq, answer.replayed, answer.durability());
    Ok(funded(answer.deposit.as_ref(), answer.account.as_ref(), desk, record))
}

async fn withdraw(sum: Sum, desk: &Desk) -> Result<Said, Failure> {
    let (account_id, key, amount_nanos, currency) = sum.read(desk).await?;
    let idempotency_key = key.clone();
    let request = v1::WithdrawRequest { account_id, idempotency_key, amount_nanos, currency };
    let answer = desk.keyed("withdraw", &key, desk.client.withdraw(request)).await?;
    let account = answer.account.as_ref();
    let shown = account.map_or_else(Shown::new, |account| show::show_account(account, desk.money));
    let shown = shown.fields(|fields| fields.put("key", key).put("outcome", "APPROVED"));
    let shown = shown.record(answer.seq, answer.replayed, answer.durability());
    if answer.outcome() == Outcome::Declined {
        let next = answer.next.as_ref();
        let declined = Declined { code: answer.code(), level: answer.level(), next, session: None };
        return Ok(declined.said(&desk.money.show(amount_nanos), shown, desk.money));
    }
    Ok(Said::done(shown.text(), shown.json()))
}

async fn repay(sum: Sum, desk: &Desk) -> Result<Said, Failure> {
    let doing = "repay";
    let (account_id, key, amount_nanos, currency) = sum.read(desk).await?;
    let idempotency_key = key.clone();
    let request = v1::RepayRequest { account_id, idempotency_key, amount_nanos, currency };
    let answer = desk.keyed(doing, &key, desk.client.repay(request)).await?;
    let account = answer.account.as_ref().ok_or(Failure::Answer { doing, missing: "account" })?;
    let shown = show::show_account(account, desk.money);
    Ok(changed(shown, answer.seq, answer.replayed, answer.durability()))
}

async fn limit(account_id: String, amount: &str, key: KeyArg, desk: &Desk) -> Result<Said, Failure> {
    let doing = "set the limit";
    let credit_limit_nanos = desk.money.read("AMOUNT", amount)?;
    let key = key.take()?;
    let idempotency_key = key.clone();
    let request = v1::SetCreditLimitRequest { account_id, idempotency_key, credit_limit_nanos };
    let answer = desk.keyed(doing, &key, desk.client.set_credit_limit(request)).await?;
    let account = answer.account.as_ref().ok_or(Failure::Answer { doing, missing: "account" })?;
    let shown = show::show_account(account, desk.money);
    Ok(changed(shown, answer.seq, answer.replayed, answer.durability()))
}
