//! Why a data set was not read from or written in a format.

use std::path::{Path, PathBuf};

use super::coco::{ReadError, SaveError};
use crate::annotation::ImageId;
use crate::geometry::Size;
use crate::job::Stopped;

/// Why a data set was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// A COCO or LVIS file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be written.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// A file or folder cannot be read or written.
    #[error("{source}: {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The output folder holds something already.
    #[error("the output folder is not empty: {}", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no file of the format.
    #[error("there is no {what} in the folder: {}", path.display())]
    Nothing {
        /// What was looked for.
        what: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// A record is not as the format has it.
    #[error("{record}: {fault}: {}", path.display())]
    Record {
        /// Which record.
        record: String,
        /// What is wrong with it.
        fault: Fault,
        /// The file.
        path: PathBuf,
    },
    /// The library that reads and writes the format refuses.
    #[error("{message}: {}", path.display())]
    Library {
        /// What it says.
        message: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// Two images would have the same file of labels.
    #[error("the images {first} and {second} would both be written as {name}: rename one")]
    SameName {
        /// The name of the first.
        first: String,
        /// The name of the second.
        second: String,
        /// The file of labels.
        name: String,
    },
    /// The size of an image is not known, but the format needs it.
    #[error("the size of image {id} ({name}) is not known, but the format needs it")]
    NoSize {
        /// Its id.
        id: ImageId,
        /// Its file name.
        name: String,
    },
    /// An image is said to be larger than any picture can be.
    #[error("image {id} is said to have {} x {} pixels, more than any picture that can be opened", size.width, size.height)]
    TooLarge {
        /// Its id.
        id: ImageId,
        /// Its size.
        size: Size,
    },
    /// Results were read without the data set that they belong to.
    #[error("results need the data set that they belong to; --reference names it: {}", path.display())]
    NoReference {
        /// The file of results.
        path: PathBuf,
    },
    /// The job was cancelled.
    #[error("stopped")]
    Cancelled,
}

impl From<Stopped> for ExchangeError {
    fn from(_: Stopped) -> Self {
        Self::Cancelled
    }
}

impl ExchangeError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(super) fn record(path: &Path, record: impl Into<String>, fault: Fault) -> Self {
        Self::Record { record: record.into(), fault, path: path.to_owned() }
    }
}

/// What can be wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Text that should be a number.
    #[error("`{0}` is no usable number")]
    Number(String),
    /// A wrong count of numbers.
    #[error("{0} numbers are no class with a box or a polygon")]
    Count(usize),
    /// A box without width or height, or with a negative one.
    #[error("its box has a width or height that is not above 0")]
    Flat,
    /// A class that has no name.
    #[error("class {0} has no name in the list of classes")]
    Class(u64),
    /// A member that is missing or of the wrong kind.
    #[error("has no usable `{0}`")]
    Member(&'static str),
    /// A member that leads to what is not there.
    #[error("`{member}` leads to {}, which is not there", place.display())]
    Place {
        /// The member.
        member: &'static str,
        /// The folder or file.
        place: PathBuf,
    },
    /// No JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// No YAML.
    #[error("{0}")]
    Yaml(#[from] yaml_rust2::ScanError),
    /// An XML file that ends too early.
    #[error("ends before its `</annotation>`")]
    CutOff,
    /// An image of a size that neither its record nor a picture tells.
    #[error("has no usable `size`, and no picture of its name in JPEGImages, in images or beside the file tells it")]
    NoSize,
    /// No text.
    #[error("is not UTF-8 text")]
    Text,
    /// A mask whose text form is broken.
    #[error("its mask is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// A mask that is no picture.
    #[error("its mask cannot be read: {0}")]
    Picture(#[from] image::ImageError),
    /// A picture of class numbers that is no PNG.
    #[error("it cannot be read: {0}")]
    Png(#[from] png::DecodingError),
    /// A mask of another size than its place.
    #[error("its mask is {} x {} pixels, its place {} x {}", mask.width, mask.height, place.width, place.height)]
    Size {
        /// The mask.
        mask: Size,
        /// Its place, or the image.
        place: Size,
    },
    /// A mask of one object outside of the folder that would name its image.
    #[error(
        "lies in no folder that names its image: the masks of one image are PNG files in a folder of its name, IMAGE/1.png, IMAGE/2.png"
    )]
    Folder,
    /// A coloured picture where class numbers are expected.
    #[error("is a coloured picture, not one of class numbers")]
    Coloured,
}
