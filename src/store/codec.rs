//! Instances, images, categories and edits as bytes, exact to the last bit of every number.
//!
//! Whole numbers are variable-length (LEB128, zigzag where they have a sign). Coordinates are mostly hundredths of a
//! pixel: a list whose numbers all are is stored as differences of whole hundredths, any other one as raw doubles. The
//! source text of a record is kept apart, so that many records can share one text in memory.

use std::sync::Arc;

use crate::annotation::{Category, CategoryId, Edit, Field, Image, ImageId, Instance, InstanceId, Shape, Verbatim};
use crate::geometry::{Rect, Size};

/// Batches in batches beyond this are damage, not an edit.
const DEEPEST: usize = 64;

/// The bytes are not those of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage;

/// Collects bytes.
#[derive(Debug, Default)]
pub(super) struct Encoder(Vec<u8>);

/// The bytes of an instance, without its source text.
pub(super) fn instance_bytes(instance: &Instance) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.instance(instance);
    encoder.0
}

/// The bytes of an image, without its source text.
pub(super) fn image_bytes(image: &Image) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.image(image);
    encoder.0
}

/// The bytes of a category, without its source text.
pub(super) fn category_bytes(category: &Category) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.category(category);
    encoder.0
}

/// The bytes of an edit, source texts and all.
pub(super) fn edit_bytes(edit: &Edit) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.edit(edit);
    encoder.0
}

impl Encoder {
    fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn signed(&mut self, value: i64) {
        self.unsigned((value.wrapping_shl(1) ^ (value >> 63)) as u64);
    }

    fn real(&mut self, value: f64) {
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.unsigned(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn source(&mut self, source: Option<&Verbatim>) {
        self.0.push(u8::from(source.is_some()));
        if let Some(source) = source {
            self.text(source.text());
        }
    }

    fn size(&mut self, size: Size) {
        self.unsigned(size.width.into());
        self.unsigned(size.height.into());
    }

    fn numbers(&mut self, values: &[f64]) {
        self.unsigned(values.len() as u64);
        let start = self.0.len();
        self.0.push(1);
        for (index, &value) in values.iter().enumerate() {
            let Some(whole) = hundredths(value) else {
                self.0.truncate(start);
                self.0.push(0);
                for &value in values {
                    self.real(value);
                }
                return;
            };
            // The number before of the same axis.
            let before = index.checked_sub(2).and_then(|index| hundredths(values[index])).unwrap_or(0);
            self.signed(whole - before);
        }
    }

    fn instance(&mut self, instance: &Instance) {
        let Instance { id, image_id, category_id, bbox, shape, area, crowd, score, changed, source: _ } = instance;
        self.signed(id.0);
        self.signed(image_id.0);
        self.signed(category_id.0);
        self.0.push(changed.bits());
        self.0.push(u8::from(*crowd) | u8::from(score.is_some()) << 1);
        if let Some(score) = score {
            self.real(*score);
        }
        self.real(*area);
        self.numbers(&[bbox.x, bbox.y, bbox.width, bbox.height]);
        match shape {
            Shape::Box => self.0.push(0),
            Shape::Polygons(polygons) => {
                self.0.push(1);
                self.unsigned(polygons.len() as u64);
                for polygon in polygons.iter() {
                    self.numbers(polygon);
                }
            }
            Shape::Rle { size, counts, compressed } => {
                self.0.push(2 + u8::from(*compressed));
                self.size(*size);
                self.unsigned(counts.len() as u64);
                for &count in counts.iter() {
                    self.unsigned(count.into());
                }
            }
        }
    }

    fn image(&mut self, image: &Image) {
        self.signed(image.id.0);
        self.size(image.size);
        self.text(&image.file_name);
    }

    fn category(&mut self, category: &Category) {
        self.signed(category.id.0);
        self.text(&category.name);
        self.text(&category.supercategory);
    }

    fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Insert { index, instance } => {
                self.0.push(0);
                self.unsigned(*index as u64);
                self.instance(instance);
                self.source(instance.source.as_ref());
            }
            Edit::Remove(id) => {
                self.0.push(1);
                self.signed(id.0);
            }
            Edit::Replace(instance) => {
                self.0.push(2);
                self.instance(instance);
                self.source(instance.source.as_ref());
            }
            Edit::InsertCategory { index, category } => {
                self.0.push(3);
                self.unsigned(*index as u64);
                self.category(category);
                self.source(category.source.as_ref());
            }
            Edit::RemoveCategory(id) => {
                self.0.push(4);
                self.signed(id.0);
            }
            Edit::ReplaceCategory(category) => {
                self.0.push(5);
                self.category(category);
                self.source(category.source.as_ref());
            }
            Edit::ReplaceImage(image) => {
                self.0.push(7);
                self.image(image);
                self.source(image.source.as_ref());
            }
            Edit::InsertImage { index, image } => {
                self.0.push(8);
                self.unsigned(*index as u64);
                self.image(image);
                self.source(image.source.as_ref());
            }
            Edit::RemoveImage(id) => {
                self.0.push(9);
                self.signed(id.0);
            }
            Edit::Batch(edits) => {
                self.0.push(6);
                self.unsigned(edits.len() as u64);
                for edit in edits {
                    self.edit(edit);
                }
            }
        }
    }
}

/// The number as whole hundredths where that gives back the same bits.
fn hundredths(value: f64) -> Option<i64> {
    let whole = (value * 100.0).round();
    // By way of the whole number, because -0 is not 0.
    (whole.abs() < 9e15 && (whole as i64 as f64 / 100.0).to_bits() == value.to_bits()).then_some(whole as i64)
}

/// Reads what [`Encoder`] wrote.
#[derive(Debug)]
pub(super) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    /// A reader of `bytes`.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// `value`, where every byte was read.
    pub(super) fn end<T>(&self, value: T) -> Result<T, Damage> {
        if self.0.is_empty() { Ok(value) } else { Err(Damage) }
    }

    fn byte(&mut self) -> Result<u8, Damage> {
        let (&first, rest) = self.0.split_first().ok_or(Damage)?;
        self.0 = rest;
        Ok(first)
    }

    fn unsigned(&mut self) -> Result<u64, Damage> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damage)
    }

    fn signed(&mut self) -> Result<i64, Damage> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn small(&mut self) -> Result<u32, Damage> {
        u32::try_from(self.unsigned()?).ok().ok_or(Damage)
    }

    fn real(&mut self) -> Result<f64, Damage> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Damage)?;
        self.0 = rest;
        Ok(f64::from_bits(u64::from_le_bytes(*bytes)))
    }

    /// A number of things that take at least a byte each, so that damage cannot ask for more memory than there are bytes.
    fn length(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.unsigned()?).ok().filter(|&length| length <= self.0.len()).ok_or(Damage)
    }

    fn text(&mut self) -> Result<&'a str, Damage> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Damage)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().ok_or(Damage)
    }

    fn source(&mut self) -> Result<Option<Verbatim>, Damage> {
        match self.byte()? {
            0 => Ok(None),
            _ => Ok(whole(self.text()?)),
        }
    }

    fn size(&mut self) -> Result<Size, Damage> {
        Ok(Size::new(self.small()?, self.small()?))
    }

    fn numbers(&mut self) -> Result<Vec<f64>, Damage> {
        let length = usize::try_from(self.unsigned()?).ok().filter(|&length| length < self.0.len()).ok_or(Damage)?;
        let is_hundredths = self.byte()? == 1;
        let mut values = Vec::with_capacity(length);
        let mut before = [0_i64; 2];
        for index in 0..length {
            if is_hundredths {
                let whole = &mut before[index % 2];
                *whole = whole.wrapping_add(self.signed()?);
                values.push(*whole as f64 / 100.0);
            } else {
                values.push(self.real()?);
            }
        }
        Ok(values)
    }

    /// An instance, without its source text.
    pub(super) fn instance(&mut self) -> Result<Instance, Damage> {
        let (id, image_id, category_id) = (InstanceId(self.signed()?), ImageId(self.signed()?), CategoryId(self.signed()?));
        let changed = Field::from_bits(self.byte()?);
        let flags = self.byte()?;
        let score = if flags & 2 == 0 { None } else { Some(self.real()?) };
        let area = self.real()?;
        let bbox: [f64; 4] = self.numbers()?.try_into().ok().ok_or(Damage)?;
        let shape = match self.byte()? {
            0 => Shape::Box,
            1 => {
                let length = self.length()?;
                Shape::Polygons((0..length).map(|_| self.numbers()).collect::<Result<_, _>>()?)
            }
            form @ 2..=3 => {
                let size = self.size()?;
                let length = self.length()?;
                let counts = (0..length).map(|_| self.small()).collect::<Result<_, _>>()?;
                Shape::Rle { size, counts, compressed: form == 3 }
            }
            _ => return Err(Damage),
        };
        let bbox = Rect::new(bbox[0], bbox[1], bbox[2], bbox[3]);
        Ok(Instance { id, image_id, category_id, bbox, shape, area, crowd: flags & 1 != 0, score, changed, source: None })
    }

    /// An image, without its source text.
    pub(super) fn image(&mut self) -> Result<Image, Damage> {
        let (id, size) = (ImageId(self.signed()?), self.size()?);
        Ok(Image { id, size, file_name: self.text()?.to_owned(), source: None })
    }

    /// A category, without its source text.
    pub(super) fn category(&mut self) -> Result<Category, Damage> {
        let id = CategoryId(self.signed()?);
        Ok(Category { id, name: self.text()?.to_owned(), supercategory: self.text()?.to_owned(), source: None })
    }

    /// An edit, source texts and all.
    pub(super) fn edit(&mut self) -> Result<Edit, Damage> {
        self.edit_at(0)
    }

    fn edit_at(&mut self, depth: usize) -> Result<Edit, Damage> {
        let kind = self.byte()?;
        Ok(match kind {
            0 => {
                let index = self.unsigned()? as usize;
                Edit::Insert { index, instance: self.whole_instance()? }
            }
            1 => Edit::Remove(InstanceId(self.signed()?)),
            2 => Edit::Replace(self.whole_instance()?),
            3 => {
                let index = self.unsigned()? as usize;
                Edit::InsertCategory { index, category: self.whole_category()? }
            }
            4 => Edit::RemoveCategory(CategoryId(self.signed()?)),
            5 => Edit::ReplaceCategory(self.whole_category()?),
            6 if depth < DEEPEST => {
                let length = self.length()?;
                Edit::Batch((0..length).map(|_| self.edit_at(depth + 1)).collect::<Result<_, _>>()?)
            }
            7 => Edit::ReplaceImage(self.whole_image()?),
            8 => {
                let index = self.unsigned()? as usize;
                Edit::InsertImage { index, image: self.whole_image()? }
            }
            9 => Edit::RemoveImage(ImageId(self.signed()?)),
            _ => return Err(Damage),
        })
    }

    fn whole_instance(&mut self) -> Result<Box<Instance>, Damage> {
        let instance = self.instance()?;
        Ok(Box::new(Instance { source: self.source()?, ..instance }))
    }

    fn whole_image(&mut self) -> Result<Image, Damage> {
        let image = self.image()?;
        Ok(Image { source: self.source()?, ..image })
    }

    fn whole_category(&mut self) -> Result<Category, Damage> {
        let category = self.category()?;
        Ok(Category { source: self.source()?, ..category })
    }
}

/// A text that is a record of its own.
pub(super) fn whole(text: &str) -> Option<Verbatim> {
    Verbatim::new(&Arc::from(text), 0..text.len())
}
