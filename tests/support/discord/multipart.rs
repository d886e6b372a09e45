//! The bodies of requests that carry files.

use serde_json::Value;

/// A file that came with a request.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The n of `files[n]`, by which `attachments` names it.
    pub number: String,
    pub name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// The JSON under `payload_json`, and the files. `None` if they cannot be read.
pub fn read(content_type: &str, body: &[u8]) -> Option<(Value, Vec<Upload>)> {
    let boundary = content_type.split_once("boundary=")?.1.trim_matches('"');
    let (mut payload, mut uploads) = (Value::Null, Vec::new());
    for part in parts(body, boundary) {
        let headers_end = find(part, b"\r\n\r\n")?;
        let headers = std::str::from_utf8(&part[..headers_end]).ok()?;
        let bytes = &part[headers_end + 4..];
        let name = parameter(headers, "name").unwrap_or_default();
        if name == "payload_json" {
            payload = serde_json::from_slice(bytes).ok()?;
        } else if let Some(file_name) = parameter(headers, "filename") {
            uploads.push(Upload {
                number: name
                    .trim_start_matches("files[")
                    .trim_end_matches(']')
                    .to_owned(),
                name: file_name,
                content_type: header(headers, "content-type")
                    .unwrap_or("application/octet-stream")
                    .to_owned(),
                bytes: bytes.to_vec(),
            });
        }
    }
    Some((payload, uploads))
}

fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let first = format!("--{boundary}\r\n");
    let next = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    let Some(mut rest) = body.strip_prefix(first.as_bytes()) else {
        return parts;
    };
    while let Some(end) = find(rest, next.as_bytes()) {
        parts.push(&rest[..end]);
        // The line break after the boundary; two dashes follow the last one.
        rest = rest.get(end + next.len() + 2..).unwrap_or_default();
    }
    parts
}

fn find(in_bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    in_bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn header<'a>(headers: &'a str, wanted: &str) -> Option<&'a str> {
    headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

/// Such as `filename` in `form-data; name="files[0]"; filename="chart.png"`.
fn parameter(headers: &str, wanted: &str) -> Option<String> {
    header(headers, "content-disposition")?
        .split(';')
        .find_map(|parameter| {
            let (name, value) = parameter.trim().split_once('=')?;
            (name == wanted).then(|| value.trim_matches('"').to_owned())
        })
}
