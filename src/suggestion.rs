//! What somebody meant who mistyped a name.

use std::path::{Path, PathBuf};

/// " (did you mean X?)" for the end of an error message, or nothing.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(typed, known).map_or_else(String::new, |known| format!(" (did you mean {known}?)"))
}

/// The known name that is most like a mistyped one: at most a third of its letters differ (two that
/// changed places count as one), or the typed one is its beginning. `None` if there is none.
pub fn closest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let length = typed.chars().count();
    let like = known.into_iter().filter_map(|known| {
        let lower = known.to_lowercase();
        let distance = strsim::osa_distance(&typed, &lower);
        let begins = length >= 3 && lower.starts_with(&typed);
        let longer = length.max(lower.chars().count());
        (begins || 3 * distance <= longer).then_some((distance, known))
    });
    like.min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// A path for an error message; if nothing is there, with what is there under a similar name.
pub fn path_or_similar(path: &Path) -> String {
    let shown = path.display();
    match similar(path) {
        Some(similar) if !path.exists() => {
            format!("{shown} (did you mean {}?)", similar.display())
        }
        _ => shown.to_string(),
    }
}

/// What is there beside a path under a similar name, or under the same name in a similar folder.
fn similar(path: &Path) -> Option<PathBuf> {
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    let here = Path::new(".");
    let entries = if folder == Path::new("") {
        here
    } else {
        folder
    };
    let Ok(entries) = entries.read_dir() else {
        let elsewhere = similar(folder)?.join(name);
        return elsewhere.exists().then_some(elsewhere);
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    let closest = closest(name, names.iter().map(String::as_str))?;
    Some(folder.join(closest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant_and_another_word_finds_nothing() {
        let known = ["utilitarian", "nash", "rawlsian", "schulze"];
        for (typed, meant) in [
            ("utilitarain", Some("utilitarian")),
            ("nahs", Some("nash")),
            ("Rawlsian", Some("rawlsian")),
            ("rawls", Some("rawlsian")),
            ("schultze", Some("schulze")),
            ("fair", None),
            ("plurality", None),
            ("", None),
        ] {
            assert_eq!(closest(typed, known), meant, "{typed}");
        }
        // Versions differ by no more than that, and are not slips of one another.
        assert_eq!(closest("v3", ["v1", "v2"]), None);
    }

    #[test]
    fn a_file_is_looked_for_beside_its_place_and_in_a_folder_of_a_similar_name() {
        let folder = tempfile::tempdir().unwrap();
        let examples = folder.path().join("examples");
        std::fs::create_dir(&examples).unwrap();
        let there = examples.join("night-buses.toml");
        std::fs::write(&there, "").unwrap();
        let meant = Some(there.clone());
        assert_eq!(similar(&examples.join("night-bus.toml")), meant);
        let elsewhere = folder.path().join("example/night-buses.toml");
        assert_eq!(similar(&elsewhere), meant);
        let suggestion = format!(" (did you mean {}?)", there.display());
        assert!(path_or_similar(&elsewhere).ends_with(&suggestion));
        assert_eq!(path_or_similar(&there), there.display().to_string());
        assert_eq!(similar(&examples.join("budget.csv")), None);
        assert_eq!(similar(&folder.path().join("a/b/c.toml")), None);
    }
}
