//! A folder to work in, the program, and what it answered.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use byteedit_image::{Channels, Encoding, Format, Limits, Picture, Samples, Size, decode, encode};
use byteedit_testing::TempDir;

use crate::tiny_model;

/// One model for all tests; a test that changes it copies it first.
static MODEL: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    tiny_model::write(folder.path());
    folder
});

/// A fresh folder.
pub(crate) struct Workbench {
    folder: TempDir,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workbench {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// A folder with `photo.png` (40 x 30 px) and `mask.png`, which repaints 10 x 8 px at (12, 9).
    pub(crate) fn with_photo() -> Self {
        let bench = Self::new();
        bench.png("photo.png", &photo(40, 30));
        bench.png("mask.png", &mask(40, 30, [12, 9, 10, 8]));
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn png(&self, name: &str, picture: &Picture) {
        self.write(name, encode(picture, &Encoding::new(Format::Png)).unwrap());
    }

    pub(crate) fn picture(&self, name: &str) -> Picture {
        decode(&fs::read(self.path(name)).unwrap(), &Limits::default()).unwrap()
    }

    /// Every file below the folder.
    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { collect(&path, found) } else { found.extend([path]) }
            }
        }
        let mut found = BTreeSet::new();
        collect(self.folder.path(), &mut found);
        found
    }

    /// The program in this folder, with its caches inside too, so that no run of the user is touched.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_byteedit"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env_remove("BURN_DEVICE")
            .env_remove("BYTEEDIT_LOG");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        let output = self.command(arguments).output().unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// [`Workbench::run`] with the tiny model.
    pub(crate) fn run_tiny(&self, arguments: &[&str]) -> Answer {
        self.run(&[arguments, &["--model", &model()]].concat())
    }

    /// A copy of the tiny model that the test may break.
    pub(crate) fn model_copy(&self, name: &str) -> String {
        fn copy(from: &Path, to: &Path) {
            fs::create_dir_all(to).unwrap();
            for entry in fs::read_dir(from).unwrap() {
                let entry = entry.unwrap();
                let target = to.join(entry.file_name());
                if entry.path().is_dir() {
                    copy(&entry.path(), &target);
                } else {
                    fs::copy(entry.path(), target).unwrap();
                }
            }
        }
        copy(MODEL.path(), &self.path(name));
        name.to_owned()
    }
}

impl Answer {
    /// The answer of a program that did all it was asked.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {}", self.stdout))
    }
}

/// The folder of the tiny model.
pub(crate) fn model() -> String {
    MODEL.path().to_str().unwrap().to_owned()
}

/// A picture in which every pixel is different from its neighbours.
pub(crate) fn photo(width: usize, height: usize) -> Picture {
    let sample = |i: usize| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    let samples = (0..3 * width * height).map(sample).collect();
    Picture::new(Size::new(width, height), Channels::Rgb, Samples::U8(samples)).unwrap()
}

/// A grey picture that is white in a box x, y, width, height.
pub(crate) fn mask(width: usize, height: usize, [x, y, columns, rows]: [usize; 4]) -> Picture {
    let is_inside =
        |i: usize| (x..x + columns).contains(&(i % width)) && (y..y + rows).contains(&(i / width));
    let samples = (0..width * height).map(|i| if is_inside(i) { 255 } else { 0 }).collect();
    Picture::new(Size::new(width, height), Channels::Gray, Samples::U8(samples)).unwrap()
}

/// Whether a file's name ends as that of a file that is not whole yet.
pub(crate) fn is_partial(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("partial"))
}
