//! What an instant query answers, and the one number that may be in it.

use serde::{Deserialize, de::IgnoredAny};

/// Characters of a server's own words in a reason.
const MAX_QUOTE: usize = 150;

#[derive(Deserialize)]
struct Reply {
    status: String,
    data: Option<Data>,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Series>),
    Scalar(Point),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    /// Absent: a histogram.
    value: Option<Point>,
}

/// A time, and a number as text.
#[derive(Deserialize)]
struct Point(IgnoredAny, String);

/// The number in a server's answer, or why there is none. `status` is the HTTP status.
pub(super) fn read(status: u16, body: &[u8]) -> Result<f64, String> {
    let reply = serde_json::from_slice::<Reply>(body);
    let said = reply.as_ref().map(|reply| quote(&reply.error)).unwrap_or_default();
    match (status, said.is_empty()) {
        (200..=299, true) => {}
        (300..=399, _) => {
            return Err(format!("it answers {status}, and redirects are not followed"));
        }
        (_, true) => return Err(format!("it answers {status}")),
        (_, false) => return Err(format!("it answers {status}: {said}")),
    }
    let reply = reply.map_err(|_| "the answer is not one of Prometheus")?;
    if reply.status != "success" {
        return Err("the answer is no success".to_owned());
    }
    match reply.data {
        Some(Data::Scalar(point)) => number(&point),
        Some(Data::Vector(series)) => match series.as_slice() {
            [] => Err("the answer is empty".to_owned()),
            [Series { value: Some(point) }] => number(point),
            [Series { value: None }] => Err("the answer is a histogram".to_owned()),
            [_, _, ..] => Err("the answer has several series; aggregate them".to_owned()),
        },
        Some(Data::Matrix(_)) => Err("the answer is a range; ask for an instant".to_owned()),
        Some(Data::String(_)) => Err("the answer is a text".to_owned()),
        None => Err("the answer holds no data".to_owned()),
    }
}

fn number(point: &Point) -> Result<f64, String> {
    match point.1.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err("the value is not a finite number".to_owned()),
        Err(_) => Err("the value is no number".to_owned()),
    }
}

/// A server's words on one line, and not too many of them.
fn quote(text: &str) -> String {
    let clean = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    clean.take(MAX_QUOTE).collect()
}

/// A number of jobs. A fraction, as rates and averages give, is rounded up.
pub(super) fn count(number: f64) -> Result<u32, String> {
    if number < 0.0 {
        return Err("the value is negative".to_owned());
    }
    if number > f64::from(u32::MAX) {
        return Err("the value is too large".to_owned());
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is whole and within the range"
    )]
    Ok(number.ceil() as u32)
}

#[cfg(test)]
mod tests {
    use navarch_fuzz::Target;

    use super::*;

    fn vector(series: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#)
    }

    fn value(number: &str) -> String {
        vector(&format!(r#"{{"metric":{{}},"value":[1700000000.1,"{number}"]}}"#))
    }

    /// Without it a server's answer could end the leader that asked, or be a number of jobs that nobody said.
    #[test]
    fn fuzz_answers_are_a_finite_number_or_refused() {
        const WORDS: [&str; 8] =
            ["success", "vector", "scalar", "matrix", "value", "NaN", "1e999", "\"result\":"];
        let target = Target::text("prometheus-answer", &WORDS).seed(value("70"));
        target.seed(vector(r#"{"metric":{},"histogram":[1,{}]}"#)).check(|body| {
            match read(200, body) {
                Ok(number) => assert!(
                    number.is_finite()
                        && count(number).is_ok() != (number < 0.0 || number > f64::from(u32::MAX))
                ),
                Err(reason) => assert!(reason.len() < 700 && !reason.chars().any(char::is_control)),
            }
        });
    }

    /// Without it an empty or broken answer could be taken for zero, and a busy pool be given back.
    #[test]
    fn one_finite_number_or_the_reason() {
        let twice = r#"{"metric":{"a":"1"},"value":[1,"2"]},{"metric":{"a":"2"},"value":[1,"3"]}"#;
        let with = |kind: &str, result: &str| {
            format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
        };
        for (status, body, expected) in [
            (200, value("70"), Ok(70.0)),
            (200, value("0"), Ok(0.0)),
            (200, value("1e3"), Ok(1_000.0)),
            (200, with("scalar", r#"[1.5,"42.5"]"#), Ok(42.5)),
            (200, value("NaN"), Err("not a finite number")),
            (200, value("+Inf"), Err("not a finite number")),
            (200, value("-Inf"), Err("not a finite number")),
            (200, value("many"), Err("is no number")),
            (200, value(""), Err("is no number")),
            (200, vector(r#"{"metric":{},"value":[1,70]}"#), Err("not one of Prometheus")),
            (200, vector(r#"{"metric":{},"histogram":[1,{}]}"#), Err("a histogram")),
            (200, vector(""), Err("the answer is empty")),
            (200, vector(twice), Err("several series")),
            (200, with("string", r#"[1,"70"]"#), Err("is a text")),
            (200, with("matrix", "[]"), Err("is a range")),
            (200, with("sum", "[]"), Err("not one of Prometheus")),
            (200, r#"{"status":"success"}"#.to_owned(), Err("no data")),
            (
                200,
                r#"{"status":"error","error":"out of\nfuel"}"#.to_owned(),
                Err("200: out of fuel"),
            ),
            (200, r#"{"status":"partial","data":null}"#.to_owned(), Err("no success")),
            (400, r#"{"status":"error","error":"bad query"}"#.to_owned(), Err("400: bad query")),
            (503, value("70"), Err("it answers 503")),
            (302, String::new(), Err("redirects are not followed")),
            (401, "no".to_owned(), Err("it answers 401")),
            (200, "<html>".to_owned(), Err("not one of Prometheus")),
            (200, String::new(), Err("not one of Prometheus")),
        ] {
            match (read(status, body.as_bytes()), expected) {
                (Ok(number), Ok(wanted)) => assert_eq!(number.to_bits(), f64::to_bits(wanted)),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{body}: {reason}"),
                (answer, _) => panic!("{status} {body}: {answer:?}"),
            }
        }
        let long = format!(r#"{{"status":"error","error":"{}"}}"#, "x".repeat(5_000));
        assert!(read(422, long.as_bytes()).unwrap_err().len() < 200);
    }

    /// Without it a negative or absurd number would wrap round to some other number of jobs.
    #[test]
    fn numbers_of_jobs() {
        for (number, expected) in [
            (0.0, Some(0)),
            (-0.0, Some(0)),
            (70.2, Some(71)),
            (4_294_967_295.0, Some(u32::MAX)),
            (4_294_967_296.0, None),
            (-1.0, None),
        ] {
            assert_eq!(count(number).ok(), expected, "{number}");
        }
    }
}
