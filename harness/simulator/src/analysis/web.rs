//! A measurement by an HTTP request (argo-rollouts v1.10.1 `metricproviders/webmetric/webmetric.go`), which
//! the scenario answers. Messages of the request itself are those of Go's `net/http`.

use conditions::{JsonPath, JsonPathError, UnreadableBody, Value, read_body, web_value};
use manifests::objects::analysis::{CheckedMetric, Header, Web};
use planted::Bug;
use scenario::Reply;
use strconv::quote;
use timeline::AnalysisPhase;
use units::Duration;
use yaml::{Place, Problem};

use super::measure::{Taken, problem};
use super::plan::PlannedMetric;
use super::{decide, help};
use crate::World;
use crate::answers::Asked;
use crate::api::ObjectId;
use crate::prometheus::dial;

/// The longest time that a request takes where the metric does not say.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request that can be sent.
#[derive(Debug)]
pub(super) struct Request<'a> {
    web: &'a Web,
    path: JsonPath,
    /// What an error of it begins with.
    operation: String,
    timeout: Duration,
}

/// Measures a metric of the run `id` now.
///
/// # Errors
/// What is not simulated, and a request that the scenario does not answer.
pub(super) fn measure(
    world: &mut World<'_>,
    id: ObjectId,
    planned: &PlannedMetric,
    web: &Web,
) -> Result<Taken, Problem> {
    let request = match Request::prepare(&planned.checked, web)? {
        Ok(request) => request,
        Err(message) => return Ok(Taken::error(message, "")),
    };
    if let Err(cause) = dial(world, &web.url) {
        return Ok(request.failed(&cause, &help::unresolved(&web.url)));
    }
    let asked = Asked::by_run(world, id);
    let place = planned.checked.places.url.as_ref();
    let answers = &world.scenario.answers;
    let (reply, takes) = world.questions.url(answers, &web.url, &asked, place)?;
    request.answered(planned, reply, takes)
}

impl<'a> Request<'a> {
    /// Reads the request and its `jsonPath`. Inside: upstream's message where the request is never sent.
    ///
    /// # Errors
    /// What is not simulated.
    pub(super) fn prepare(metric: &CheckedMetric, web: &'a Web) -> Result<Result<Self, String>, Problem> {
        let places = &metric.places;
        if web.oauth2().is_some_and(|(_, has_credentials)| !has_credentials) {
            return Ok(Err("missing mandatory parameter in metric for OAuth2 setup".to_owned()));
        }
        let path = match JsonPath::parse(&web.json_path) {
            Ok(path) => path,
            Err(JsonPathError::Upstream(message)) => return Ok(Err(message)),
            Err(JsonPathError::NotSimulated(what)) => {
                return Err(problem(places.json_path.as_ref(), format!("not simulated: {what}")));
            }
        };
        let method = if web.method.is_empty() { "GET" } else { &web.method };
        if !web.body.is_empty() && web.json_body.is_some() {
            let message = "use either Body or JSONBody; both cannot exists for WebMetric payload";
            return Ok(Err(message.to_owned()));
        }
        if (!web.body.is_empty() || web.json_body.is_some()) && method == "GET" {
            let message = "Body/JSONBody can only be used with POST or PUT WebMetric Method types";
            return Ok(Err(message.to_owned()));
        }
        if !method.chars().all(is_token) {
            return Ok(Err(format!("net/http: invalid method {}", quote(method))));
        }
        let refused = |what: String| Err(problem(places.web.as_ref(), format!("not simulated: {what}")));
        if method == "HEAD" {
            return refused("a web metric with the method HEAD".to_owned());
        }
        if let Some(header) = web.headers.iter().find(|header| !can_be_sent(header)) {
            return refused(format!("the HTTP header {}", quote(&header.key)));
        }
        let url = match Url::read(&web.url) {
            Ok(url) => url,
            Err(what) => return Err(problem(places.url.as_ref(), format!("not simulated: {what}"))),
        };
        // `urlErrorOp`.
        let (first, rest) = method.split_at(1);
        let operation = format!("{first}{} {}", rest.to_lowercase(), quote(&url.shown));
        let seconds = u64::try_from(web.timeout_seconds).unwrap_or(0);
        let timeout = if seconds == 0 { TIMEOUT } else { Duration::from_secs(seconds) };
        match url.fault {
            Some(fault) => Ok(Err(format!("{operation}: {fault}"))),
            None => Ok(Ok(Self { web, path, operation, timeout })),
        }
    }

    /// The error of a request that is not answered.
    fn failed(&self, cause: &str, help: &str) -> Taken {
        Taken::error(format!("{}: {cause}", self.operation), help)
    }

    /// What comes of an answer.
    ///
    /// # Errors
    /// A body, a path or a condition that is not simulated.
    pub(super) fn answered(
        &self,
        planned: &PlannedMetric,
        reply: &Reply,
        takes: Duration,
    ) -> Result<Taken, Problem> {
        if takes >= self.timeout && !planted::is(Bug::WebTimeoutIgnored) {
            let cause = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
            let taken = self.failed(cause, "");
            return Ok(Taken { takes: self.timeout, ..taken });
        }
        let taken = match reply {
            Reply::Unreachable(cause) => self.failed(cause, ""),
            Reply::Response { status: 200..300, body } => self.measured(planned, body)?,
            Reply::Response { body, .. } if planted::is(Bug::StatusOfResponseIgnored) => {
                self.measured(planned, body)?
            }
            Reply::Response { status, .. } => {
                Taken::error(format!("received non 2xx response code: {status}"), "")
            }
        };
        Ok(Taken { takes, ..taken })
    }

    /// `parseResponse`.
    fn measured(&self, planned: &PlannedMetric, body: &str) -> Result<Taken, Problem> {
        let places = &planned.checked.places;
        let refused =
            |place: Option<&Place>, what: &str| Err(problem(place, format!("not simulated: {what}")));
        let json = match read_body(body) {
            Ok(Some(json)) => json,
            // What is no JSON is successful, whatever the conditions are.
            Ok(None) => {
                let help = help::no_json(&self.web.url);
                return Ok(Taken {
                    value: body.to_owned(),
                    help,
                    ..Taken::plain(AnalysisPhase::Successful, "")
                });
            }
            Err(UnreadableBody::Surrogate) => {
                return refused(places.url.as_ref(), "a body with half a surrogate pair");
            }
            Err(UnreadableBody::TooDeep) => {
                return refused(places.url.as_ref(), "a body of more than 127 levels");
            }
        };
        let value = match self.path.measure(&json) {
            Ok(value) => value,
            Err(JsonPathError::Upstream(_)) if planted::is(Bug::NothingFoundIsSuccess) => {
                return Ok(Taken::plain(AnalysisPhase::Successful, ""));
            }
            Err(JsonPathError::Upstream(message)) => return Ok(Taken::error(message, "")),
            Err(JsonPathError::NotSimulated(what)) => {
                return refused(places.json_path.as_ref().or(places.url.as_ref()), &what);
            }
        };
        judged(planned, &value)
    }
}

fn judged(planned: &PlannedMetric, value: &Value) -> Result<Taken, Problem> {
    let decide::Judged { phase, message, condition } = decide::judge(planned, value)?;
    let recorded = if phase == AnalysisPhase::Error { String::new() } else { web_value(value) };
    Ok(Taken { value: recorded, condition, ..Taken::plain(phase, message) })
}

/// A URL as far as its errors need it (Go `net/url: Parse`, `net/http: Transport.roundTrip`).
#[derive(Debug, PartialEq, Eq)]
struct Url {
    /// As errors show it.
    shown: String,
    /// Why it is never connected.
    fault: Option<String>,
}

impl Url {
    /// # Errors
    /// A URL that upstream may show otherwise, or not read at all.
    fn read(text: &str) -> Result<Self, String> {
        let (before_query, _) = text.split_once('?').unwrap_or((text, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(c);
        let printable = |c: char| c.is_ascii_graphic() && c != '#';
        if !before_query.chars().all(plain) || !text.chars().all(printable) || !escapes_are_whole(text) {
            return Err(format!("the URL {}", quote(text)));
        }
        let fault = |shown: &str, fault: String| Ok(Self { shown: shown.to_owned(), fault: Some(fault) });
        let scheme = before_query.split_once(':').map(|(scheme, _)| scheme);
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        let scheme = match scheme {
            Some(scheme) if is_scheme(scheme) => scheme.to_ascii_lowercase(),
            Some(part) if !part.contains('/') => return Err(format!("the URL {}", quote(text))),
            Some(_) | None => String::new(),
        };
        let shown = format!("{scheme}{}", &text[scheme.len()..]);
        if scheme != "http" && scheme != "https" {
            return fault(&shown, format!("unsupported protocol scheme {}", quote(&scheme)));
        }
        let rest = &shown[scheme.len() + 1..];
        let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
        match authority {
            Some(authority) if !authority.is_empty() => {
                let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
                let (host, port) = host.split_once(':').unwrap_or((host, ""));
                if host.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) || host.contains('%') {
                    return Err(format!("the URL {}", quote(text)));
                }
                let shown = match user.split_once(':') {
                    Some((name, password)) => {
                        shown.replacen(&format!("{name}:{password}@"), &format!("{name}:***@"), 1)
                    }
                    None => shown.clone(),
                };
                Ok(Self { shown, fault: None })
            }
            Some(_) | None => {
                let shown = if rest == "//" { format!("{scheme}:") } else { shown.clone() };
                fault(&shown, "http: no Host in request URL".to_owned())
            }
        }
    }
}

fn escapes_are_whole(text: &str) -> bool {
    let is_hex = |part: &str| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    text.split('%').skip(1).all(is_hex)
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

fn can_be_sent(header: &Header) -> bool {
    let clean = |c: char| c == '\t' || !c.is_ascii_control();
    !header.key.is_empty() && header.key.chars().all(is_token) && header.value.chars().all(clean)
}

#[cfg(test)]
mod tests;
