//! The notices beside the photographs: paragraphs of `Copyright`, `License`, `Source` and `Files`.

/// Licences under which a photograph may go into the pack, as the notices spell them.
const ACCEPTED: [&str; 3] = ["cc0", "cc0-1.0", "public domain"];

/// What a notice says of the files it lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) author: String,
    pub(super) licence: String,
    pub(super) source: Option<String>,
    pub(super) files: Vec<String>,
}

impl Notice {
    /// Whether the photographs may be used: CC0 or public domain, and nothing else.
    pub(super) fn is_accepted(&self) -> bool {
        ACCEPTED.contains(&self.licence.to_lowercase().as_str())
    }

    /// The title in the source's address, such as "Pont du Gard", or the file's own name.
    pub(super) fn title(&self, name: &str) -> String {
        let from_source = || {
            let last = self.source.as_ref()?.split_once("/File:")?.1;
            let decoded = percent_encoding::percent_decode_str(last).decode_utf8().ok()?;
            let stem = decoded.rsplit_once('.').map_or(&*decoded, |(stem, _)| stem);
            Some(stem.replace('_', " "))
        };
        from_source().unwrap_or_else(|| name.to_owned())
    }
}

/// All notices of a README that name an author and a licence; the others cover no photograph.
pub(super) fn parse(readme: &str) -> Vec<Notice> {
    let paragraphs = readme.split("\n\n").flat_map(|text| text.split("\n \n"));
    paragraphs.filter_map(parse_paragraph).collect()
}

fn parse_paragraph(paragraph: &str) -> Option<Notice> {
    let field = |key: &str| {
        let value = paragraph.lines().find_map(|line| line.trim().strip_prefix(key))?;
        Some(value.trim().to_owned())
    };
    let is_file = |line: &str| line.strip_suffix(".webp").is_some_and(|stem| !stem.contains(": "));
    let listed = paragraph.lines().map(|line| line.trim().trim_start_matches("Files:").trim());
    Some(Notice {
        author: field("Copyright:")?,
        licence: field("License:")?,
        source: field("Source:"),
        files: listed.filter(|line| is_file(line)).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "Copyright: A. Painter\nLicense: CC-BY-SA 4.0\nFiles:\na.webp\n\n\
        Copyright: Mimova\nLicense: Public Domain\nSource: https://x.org/wiki/File:Pont_d%27Avignon.jpg\n\
        Files:\nfrance/pont.webp\nfrance/pont2.webp\n\n\
        Copyright: B\nLicense: CC0-1.0\nComments: cropped\nFiles: crab.webp\n\nA word about the game.\n";

    #[test]
    fn every_notice_is_read() {
        let notices = parse(README);
        assert_eq!(notices.iter().map(Notice::is_accepted).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(notices[1].files, ["france/pont.webp", "france/pont2.webp"]);
        assert_eq!(notices[2].files, ["crab.webp"]);
        assert_eq!(notices[1].title("pont"), "Pont d'Avignon");
        assert_eq!(notices[2].title("crab"), "crab");
    }

    #[test]
    fn a_licence_that_only_resembles_an_accepted_one_is_refused() {
        for licence in ["CC0-2.0", "Public Domain or CC-BY", "CC-BY-SA 4.0", ""] {
            let notice =
                Notice { author: String::new(), licence: licence.to_owned(), source: None, files: vec![] };
            assert!(!notice.is_accepted(), "{licence}");
        }
    }
}
