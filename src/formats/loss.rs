//! What a format could not hold: counted for each kind of loss, with examples, so that nothing goes in silence.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Serialize;

/// So many examples of each kind are named.
const MOST_EXAMPLES: usize = 5;

/// A kind of loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A mask that covers other pixels as a polygon.
    Pixels,
    /// A mask of which only the box is kept.
    Outline,
    /// A box whose sides had to become whole pixels.
    Rounded,
    /// A box that became an outline with four corners.
    Box,
    /// An object whose parts became one polygon, by lines without width.
    Bridged,
    /// An object that became one with others of its class.
    Joined,
    /// Pixels that lie under another object.
    Overlap,
    /// An object without a pixel, or that lies on no known image or has no known class.
    Object,
    /// An outline that could not take another form and is as it was.
    Unshaped,
    /// The mark of a crowd.
    Crowd,
    /// A crowd, where the format has only objects.
    CrowdObject,
    /// A model's confidence.
    Score,
    /// Members of a record that only COCO or LVIS knows.
    Member,
    /// Ids; the format counts its records.
    Id,
    /// The group of a class.
    Group,
    /// A name that the format cannot write as it is.
    Name,
    /// A class that the other data set does not have.
    Counterpart,
    /// A class without a known synset.
    Synset,
    /// LVIS' marks of classes that are absent or not labelled throughout.
    Mark,
    /// An image without objects.
    Image,
    /// A shape of a kind that a data set of masks does not have.
    Unsupported,
    /// Pixels marked as void.
    Void,
    /// A label without a picture.
    Picture,
    /// An object that is there already.
    Copy,
    /// An object that is there already, whose record has members that the one here lacks or has otherwise.
    CopyMember,
    /// A member of an image's or class's record that the one here lacks or has otherwise.
    OtherMember,
    /// An image that was taken for one whose name only ends like its own.
    Ending,
    /// An image whose licence has no record in its file.
    Licence,
    /// An image of another size than the one of its name.
    OtherSize,
    /// An image that the data set does not have.
    NoImage,
    /// An object on an image that was left out.
    OnLeftOut,
    /// An image or a class without a name or an id of its own.
    Unnamed,
    /// A top-level member that is not as in the first file.
    TopLevel,
    /// A box of which only the part inside its image is kept.
    Cut,
    /// A line with numbers that lie outside of its image.
    OutOfImage,
    /// A picture that is not in its folder.
    MissingPicture,
    /// A picture or folder that the data set's file names, but that is not there.
    NotFound,
    /// A folder that lies elsewhere than the data set's file, and was read because that names it.
    Elsewhere,
    /// A PNG whose values number several objects.
    Several,
    /// A turned box or an ellipse that became a polygon.
    Redrawn,
    /// An image with the name of another one.
    SameName,
    /// An object that VOC calls difficult.
    Difficult,
    /// A line, a record, a mask or a file that is not as the format has it.
    Unreadable,
    /// A count of classes that is not that of their names.
    ClassCount,
    /// A picture that EXIF turns, beside labels that lie on its stored pixels.
    Turned,
    /// A mask with a few values that were taken as one object.
    Fused,
}

impl Kind {
    /// What became of `count` things, as the end of a sentence that begins with the number.
    const fn sentence(self) -> &'static str {
        match self {
            Self::Pixels => "masks changed pixels as polygons",
            Self::Outline => "masks became boxes",
            Self::Rounded => "boxes were rounded to whole pixels",
            Self::Box => "boxes became outlines with four corners",
            Self::Bridged => "objects of several parts became one polygon, joined by lines without width",
            Self::Joined => "objects became one with others of their class",
            Self::Overlap => "objects lost pixels that lie under other objects",
            Self::Object => "objects were left out: no pixels, image or class",
            Self::Unshaped => "outlines could not take another form and are as they were",
            Self::Crowd => "crowds lost their mark",
            Self::CrowdObject => "crowds were left out: the format has none",
            Self::Score => "scores were left out",
            Self::Member => "records lost members that the format does not know",
            Self::Id => "records lost their ids: the format counts them",
            Self::Group => "classes lost their group",
            Self::Name => "names were changed: the format cannot hold them",
            Self::Counterpart => "classes have no counterpart and got new ids",
            Self::Synset => "classes have no known synset",
            Self::Mark => "images lost marks of absent or not exhaustively labelled classes",
            Self::Image => "images without objects were left out",
            Self::Unsupported => "shapes of an unknown kind were left out",
            Self::Void => "images have void pixels, which became background",
            Self::Picture => "labels have no picture and were left out",
            Self::Copy => "objects are there already and were left out",
            Self::OtherMember => "members of images and classes that are here already, which these lack or have otherwise, are lost",
            Self::CopyMember => "of them have members that the objects here lack or have otherwise, and these are lost",
            Self::Ending => "images were taken for those here by the ends of their names alone",
            Self::Licence => "images lost their licence: it has no record in their file",
            Self::OtherSize => "images have another size here and were left out",
            Self::NoImage => "images are not in the data set and were left out",
            Self::OnLeftOut => "objects lie on images that were left out",
            Self::Unnamed => "images or classes have no name or id of their own and were left out",
            Self::TopLevel => "top-level members of the other file differ and were left out",
            Self::Cut => "boxes were cut at the edge of their image",
            Self::OutOfImage => "lines have numbers outside of 0 to 1, so that they lead out of their image",
            Self::MissingPicture => "pictures were not found, so that only their labels are there",
            Self::NotFound => "pictures or folders that the file names were not found and were left out",
            Self::Several => "PNG files number the objects of a whole image: each value but 0 became an object",
            Self::Redrawn => "turned boxes and ellipses became polygons",
            Self::SameName => "images have the name of another one; of CVAT, a subset or task becomes their folder",
            Self::Difficult => "difficult objects became crowds, which the assistant leaves alone",
            Self::Elsewhere => "folders outside of the file's own were read, because it names them",
            Self::Unreadable => "lines, records, masks or files cannot be used and were left out",
            Self::ClassCount => "counts of classes are not those of the names",
            Self::Turned => "pictures are turned by EXIF, but labels lie on the stored pixels: wrong for trainers that turn them",
            Self::Fused => "masks have several values besides 0 and were taken as one object each",
        }
    }
}

/// The losses of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many.
    pub count: usize,
    /// The first of them, in words that name the record.
    pub examples: Vec<String>,
    /// Whether there are others than those named.
    pub has_more: bool,
}

/// All losses of an import or export.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// The losses, by kind.
    pub kinds: BTreeMap<Kind, Count>,
    /// For each outline that took another form, the instance's id and the `IoU` of its pixels with those before.
    pub ious: Vec<(i64, f64)>,
}

impl Tally {
    /// Counts one loss.
    pub fn add(&mut self, kind: Kind, example: impl Display) {
        self.add_many(kind, 1, example);
    }

    /// Counts `count` losses that one example stands for.
    pub fn add_many(&mut self, kind: Kind, count: usize, example: impl Display) {
        if count == 0 {
            return;
        }
        let entry = self.kinds.entry(kind).or_default();
        entry.count += count;
        if entry.examples.len() < MOST_EXAMPLES {
            entry.examples.push(example.to_string());
        } else {
            entry.has_more = true;
        }
    }

    /// Counts losses of `kind` in `place`, for each name as many as `counts` says; one example lists them all.
    pub fn add_named(&mut self, kind: Kind, place: impl Display, counts: &BTreeMap<String, usize>) {
        let names: Vec<String> = counts.iter().map(|(name, count)| format!("{name} ({count})")).collect();
        self.add_many(kind, counts.values().sum(), format_args!("{place}: {}", names.join(", ")));
    }

    /// Notes the `IoU` that an outline kept, and counts a loss where it is less than 1.
    pub fn add_iou(&mut self, id: i64, iou: f64) {
        self.ious.push((id, iou));
        if iou < 1.0 {
            self.add(Kind::Pixels, format_args!("annotation {id} (IoU {iou:.4})"));
        }
    }

    /// How many losses there are of `kind`.
    pub fn count(&self, kind: Kind) -> usize {
        self.kinds.get(&kind).map_or(0, |entry| entry.count)
    }

    /// Whether everything was held.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// One sentence for each kind.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        self.kinds.iter().map(|(kind, entry)| {
            let more = if entry.has_more { ", …" } else { "" };
            format!("{} {}: {}{more}", entry.count, kind.sentence(), entry.examples.join(", "))
        })
    }

    /// The mean and the least `IoU` of the outlines that took another form; `None` where none did.
    pub fn iou_range(&self) -> Option<(f64, f64)> {
        let ious = self.ious.iter().map(|(_, iou)| *iou);
        let count = self.ious.len();
        (count > 0).then(|| (ious.clone().sum::<f64>() / count as f64, ious.fold(1.0, f64::min)))
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, sentence) in self.sentences().enumerate() {
            write!(f, "{}{sentence}", if index > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_and_the_first_are_named() {
        let mut tally = Tally::default();
        assert!(tally.is_empty());
        for id in 1..=7 {
            tally.add(Kind::Crowd, format_args!("annotation {id}"));
        }
        tally.add_iou(3, 1.0);
        tally.add_iou(4, 0.5);
        tally.add_many(Kind::Id, 0, "nothing");
        assert_eq!((tally.count(Kind::Crowd), tally.count(Kind::Pixels), tally.count(Kind::Id)), (7, 1, 0));
        assert_eq!(tally.iou_range(), Some((0.75, 0.5)));
        tally.add_named(Kind::Member, "a.xml", &BTreeMap::new());
        assert_eq!(tally.count(Kind::Member), 0);
        tally.add_named(Kind::Several, "a.xml", &[("color".to_owned(), 2), ("parked".to_owned(), 1)].into());
        let text = tally.to_string();
        assert!(text.ends_with("a.xml: color (2), parked (1)") && text.contains("\n3 PNG files"), "{text}");
        assert!(text.contains("1 masks changed pixels as polygons: annotation 4 (IoU 0.5000)"), "{text}");
        assert!(text.contains("annotation 4, annotation 5, …"), "{text}");
    }
}
