//! Between an instance's outline as its file stores it and the pixels that it covers.

use std::borrow::Cow;

use super::{Field, Instance, Shape};
use crate::geometry::{Rect, Size};
use crate::mask::rle::{self, RleError};
use crate::mask::{Mask, PixelRect, polygon};

/// Why an outline has no pixels on an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The run lengths belong to a grid of another size.
    #[error("the mask is {} x {} pixels and the image {} x {}", mask.width, mask.height, image.width, image.height)]
    Size {
        /// The mask's grid.
        mask: Size,
        /// The image's grid.
        image: Size,
    },
    /// The image's size is unknown, or no mask can have it.
    #[error("an image of {} x {} pixels has no place for a mask", image.width, image.height)]
    NoPlace {
        /// The image's grid.
        image: Size,
    },
    /// The run lengths are not those of a mask.
    #[error(transparent)]
    Rle(#[from] RleError),
}

impl Shape {
    /// The outline that holds exactly the pixels of `mask`: run lengths, written as the compressed string.
    pub fn from_mask(mask: &Mask) -> Self {
        Self::from_runs(mask.size(), rle::encode(mask))
    }

    /// The outline that has these run lengths on a grid of `size`, written as the compressed string.
    pub fn from_runs(size: Size, counts: Vec<u32>) -> Self {
        Self::Rle { size, counts: counts.into(), compressed: true }
    }

    /// The run lengths on an image of `size`, column-major from zeros. A [`Shape::Box`] is `bbox`, filled.
    ///
    /// # Errors
    /// When the outline's own run lengths do not fit the image, or the image's size is unknown (0) or beyond what run
    /// lengths can count.
    pub fn runs(&self, bbox: Rect, size: Size) -> Result<Cow<'_, [u32]>, ShapeError> {
        let has_place = size.has_pixels() && u32::try_from(size.pixels()).is_ok();
        match self {
            Self::Box | Self::Polygons(_) if !has_place => Err(ShapeError::NoPlace { image: size }),
            Self::Box => Ok(Cow::Owned(polygon::runs(&[polygon::of_rect(bbox)], size))),
            Self::Polygons(polygons) => Ok(Cow::Owned(polygon::runs(polygons, size))),
            Self::Rle { size: grid, .. } if *grid != size => Err(ShapeError::Size { mask: *grid, image: size }),
            Self::Rle { counts, .. } => {
                rle::check(size, counts)?;
                Ok(Cow::Borrowed(counts))
            }
        }
    }

    /// The pixels on an image of `size`. A [`Shape::Box`] is `bbox`, filled.
    ///
    /// # Errors
    /// As for [`Self::runs`].
    pub fn mask(&self, bbox: Rect, size: Size) -> Result<Mask, ShapeError> {
        Ok(rle::decode_window(size, &self.runs(bbox, size)?, PixelRect::of(size)))
    }

    /// The area as COCO stores it: for polygons the shoelace area of the vertices, for run lengths the pixels;
    /// `None` for a [`Shape::Box`].
    pub fn area(&self) -> Option<f64> {
        match self {
            Self::Box => None,
            Self::Polygons(polygons) => Some(polygons.iter().map(|polygon| polygon::shoelace_area(polygon)).sum()),
            Self::Rle { counts, .. } => Some(rle::area(counts) as f64),
        }
    }

    /// The bounding box as COCO stores it: for polygons the float extent of the vertices, for run lengths the pixels';
    /// `None` where there is nothing to bound.
    pub fn bounds(&self) -> Option<Rect> {
        match self {
            Self::Box => None,
            Self::Polygons(polygons) => polygon::bounds(polygons),
            Self::Rle { size, counts, .. } => rle::bounds(*size, counts).map(PixelRect::to_rect),
        }
    }
}

impl Instance {
    /// The pixels on an image of `size`.
    ///
    /// # Errors
    /// When the outline's own run lengths do not fit the image.
    pub fn mask(&self, size: Size) -> Result<Mask, ShapeError> {
        self.shape.mask(self.bbox, size)
    }

    /// [`Self::mask`]; `None` where only the box is known, or where that has none.
    pub fn outlined(&self, size: Size) -> Option<Mask> {
        if self.shape == Shape::Box { None } else { self.mask(size).ok() }
    }

    /// A number that hardly any other outline has, on this image or another; `None` where only the box is known.
    pub fn fingerprint(&self) -> Option<u64> {
        let outline = match &self.shape {
            Shape::Box => return None,
            Shape::Polygons(polygons) => polygon::fingerprint(polygons),
            Shape::Rle { counts, .. } => rle::fingerprint(counts),
        };
        Some(outline ^ self.image_id.0 as u64)
    }

    /// Gives the instance the pixels of `mask`: run lengths, in the form that the instance's own have where it has some.
    pub fn set_mask(&mut self, mask: &Mask) {
        self.set_pixels(Shape::from_mask(mask));
    }

    /// [`Self::set_shape`], with run lengths in the form that the instance's own have where it has some.
    pub fn set_pixels(&mut self, mut shape: Shape) {
        if let (Shape::Rle { compressed, .. }, Shape::Rle { compressed: own, .. }) = (&mut shape, &self.shape) {
            *compressed = *own;
        }
        self.set_shape(shape);
    }

    /// Gives the instance another outline, with the area and bounding box that follow from it, and notes the change.
    /// A [`Shape::Box`] keeps the box and takes its area; an outline without pixels keeps the box, with area 0.
    pub fn set_shape(&mut self, shape: Shape) {
        self.bbox = shape.bounds().unwrap_or(self.bbox);
        self.area = shape.area().unwrap_or_else(|| self.bbox.area());
        self.shape = shape;
        self.changed = self.changed.and(Field::SHAPE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, ImageId, InstanceId};

    #[test]
    fn a_fingerprint_tells_outlines_apart_and_not_their_forms() {
        let on = |image: i64, shape: Shape| {
            let instance = Instance {
                id: InstanceId(1),
                image_id: ImageId(image),
                category_id: CategoryId(1),
                bbox: Rect::default(),
                shape,
                area: 0.0,
                crowd: false,
                score: None,
                changed: Field::NONE,
                source: None,
            };
            instance.fingerprint()
        };
        let runs = |counts: &[u32], compressed| Shape::Rle { size: Size::new(3, 3), counts: counts.into(), compressed };
        let polygons = |polygons: &[&[f64]]| Shape::Polygons(polygons.iter().map(|polygon| polygon.to_vec()).collect());
        assert_eq!(on(1, runs(&[3, 0, 4, 2], true)), on(1, runs(&[7, 2], false)));
        let different = [
            on(1, Shape::Box),
            on(1, runs(&[7, 2], true)),
            on(1, runs(&[6, 3], true)),
            on(2, runs(&[7, 2], true)),
            on(1, polygons(&[&[0.0, 0.0, 4.0, 0.0, 4.0, 3.0]])),
            on(1, polygons(&[&[0.0, 0.0, 4.0, 0.0, 4.0, 3.5]])),
            on(1, polygons(&[&[0.0, 0.0, 4.0], &[0.0, 4.0, 3.0]])),
        ];
        assert_eq!(different[0], None);
        for (index, one) in different.iter().enumerate() {
            assert!(different[index + 1..].iter().all(|other| other != one), "{index}");
        }
    }

    #[test]
    fn a_mask_goes_in_and_out() {
        let mask = Mask::from_fn(Size::new(6, 5), |x, y| x > y);
        let shape = Shape::from_mask(&mask);
        assert_eq!(shape.mask(Rect::default(), mask.size()).unwrap(), mask);
        assert_eq!(shape.area(), Some(mask.area() as f64));
        assert_eq!(shape.bounds(), mask.bbox());
        assert!(matches!(shape.mask(Rect::default(), Size::new(5, 6)), Err(ShapeError::Size { .. })));
    }

    #[test]
    fn a_box_is_filled() {
        let mask = Shape::Box.mask(Rect::new(1.0, 1.0, 2.0, 3.0), Size::new(5, 5)).unwrap();
        assert_eq!((mask.area(), mask.bbox()), (6, Some(Rect::new(1.0, 1.0, 2.0, 3.0))));
        assert_eq!((Shape::Box.area(), Shape::Box.bounds()), (None, None));
    }
}
