//! The one way to change a [`Dataset`]: an [`Edit`] that gives back its inverse.

use super::placed::Find;
use super::{Category, CategoryId, Dataset, Image, ImageId, Instance, InstanceId};

/// A change of the data set.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Puts an instance in at `index`, or last where `index` lies behind the end.
    Insert {
        /// Place in [`Dataset::instances`].
        index: usize,
        /// The new instance; boxed because the other variants are small.
        instance: Box<Instance>,
    },
    /// Takes an instance out.
    Remove(InstanceId),
    /// Puts another value in the place of the instance with the same id.
    Replace(Box<Instance>),
    /// Adds a category that no instance has at `index`, or last where `index` lies behind the end.
    InsertCategory {
        /// Place in [`Dataset::categories`].
        index: usize,
        /// The new category.
        category: Category,
    },
    /// Takes out a category that no instance has.
    RemoveCategory(CategoryId),
    /// Puts another value in the place of the category with the same id.
    ReplaceCategory(Category),
    /// Puts an image that no instance has in at `index`, or last where `index` lies behind the end.
    InsertImage {
        /// Place in [`Dataset::images`].
        index: usize,
        /// The image.
        image: Image,
    },
    /// Takes out an image that no instance has.
    RemoveImage(ImageId),
    /// Puts another value in the place of the image with the same id.
    ReplaceImage(Image),
    /// Several edits as one, first to last.
    Batch(Vec<Self>),
}

/// Why an edit could not be applied; the data set is then as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EditError {
    /// The instance is not there.
    #[error("there is no instance {0}")]
    NoInstance(InstanceId),
    /// The instance is there already.
    #[error("there is an instance {0} already")]
    InstanceExists(InstanceId),
    /// The image is not there.
    #[error("there is no image {0}")]
    NoImage(ImageId),
    /// The image is there already.
    #[error("there is an image {0} already")]
    ImageExists(ImageId),
    /// The image is in use.
    #[error("image {0} has instances")]
    ImageInUse(ImageId),
    /// Several images have the id, so that none of them could come back.
    #[error("there are several images {0}")]
    ImageTwice(ImageId),
    /// The category is not there.
    #[error("there is no category {0}")]
    NoCategory(CategoryId),
    /// The category is there already.
    #[error("there is a category {0} already")]
    CategoryExists(CategoryId),
    /// The category is in use.
    #[error("category {0} has instances")]
    CategoryInUse(CategoryId),
}

impl Dataset {
    /// Applies `edit` and returns the edit that takes it back.
    ///
    /// # Errors
    /// When the edit does not fit the data set, which then is unchanged.
    pub fn apply(&mut self, edit: &Edit) -> Result<Edit, EditError> {
        self.apply_with(edit, None)
    }

    /// [`Self::apply`]; what `find` knows is not searched for.
    pub(super) fn apply_with(&mut self, edit: &Edit, find: Option<Find<'_>>) -> Result<Edit, EditError> {
        match edit {
            Edit::Insert { index, instance } => {
                if self.found(instance.id, find).is_some() {
                    return Err(EditError::InstanceExists(instance.id));
                }
                self.instances.insert((*index).min(self.instances.len()), (**instance).clone());
                Ok(Edit::Remove(instance.id))
            }
            Edit::Remove(id) => {
                let index = self.found(*id, find).ok_or(EditError::NoInstance(*id))?;
                Ok(Edit::Insert { index, instance: Box::new(self.instances.remove(index)) })
            }
            Edit::Replace(instance) => {
                let place = self.found(instance.id, find).and_then(|place| self.instances.get_mut(place));
                let place = place.ok_or(EditError::NoInstance(instance.id))?;
                Ok(Edit::Replace(Box::new(std::mem::replace(place, (**instance).clone()))))
            }
            Edit::InsertCategory { index, category } => {
                if self.category(category.id).is_some() {
                    return Err(EditError::CategoryExists(category.id));
                }
                // Instances of a category that their file lacks would keep the insertion from being taken back.
                if self.instances.iter().any(|instance| instance.category_id == category.id) {
                    return Err(EditError::CategoryInUse(category.id));
                }
                self.categories.insert((*index).min(self.categories.len()), category.clone());
                Ok(Edit::RemoveCategory(category.id))
            }
            Edit::RemoveCategory(id) => {
                if self.instances.iter().any(|instance| instance.category_id == *id) {
                    return Err(EditError::CategoryInUse(*id));
                }
                let index = self.categories.iter().position(|category| category.id == *id).ok_or(EditError::NoCategory(*id))?;
                Ok(Edit::InsertCategory { index, category: self.categories.remove(index) })
            }
            Edit::ReplaceCategory(category) => {
                let place = self.categories.iter_mut().find(|old| old.id == category.id).ok_or(EditError::NoCategory(category.id))?;
                Ok(Edit::ReplaceCategory(std::mem::replace(place, category.clone())))
            }
            Edit::InsertImage { index, image } => self.insert_image(*index, image),
            Edit::RemoveImage(id) => self.remove_image(*id),
            Edit::ReplaceImage(image) => {
                let place = self.images.iter_mut().find(|old| old.id == image.id).ok_or(EditError::NoImage(image.id))?;
                Ok(Edit::ReplaceImage(std::mem::replace(place, image.clone())))
            }
            Edit::Batch(edits) => self.apply_all(edits, find),
        }
    }

    fn insert_image(&mut self, index: usize, image: &Image) -> Result<Edit, EditError> {
        if self.image(image.id).is_some() {
            return Err(EditError::ImageExists(image.id));
        }
        // Instances of an image that their file lacks would keep the insertion from being taken back.
        if self.instances_on(image.id).next().is_some() {
            return Err(EditError::ImageInUse(image.id));
        }
        self.images.insert(index.min(self.images.len()), image.clone());
        Ok(Edit::RemoveImage(image.id))
    }

    fn remove_image(&mut self, id: ImageId) -> Result<Edit, EditError> {
        let index = self.images.iter().position(|image| image.id == id).ok_or(EditError::NoImage(id))?;
        if self.images.iter().skip(index + 1).any(|image| image.id == id) {
            return Err(EditError::ImageTwice(id));
        }
        if self.instances_on(id).next().is_some() {
            return Err(EditError::ImageInUse(id));
        }
        Ok(Edit::InsertImage { index, image: self.images.remove(index) })
    }

    fn apply_all(&mut self, edits: &[Edit], mut find: Option<Find<'_>>) -> Result<Edit, EditError> {
        let is_replacing = |edit: &Edit| matches!(edit, Edit::Replace(_));
        let is_quick = find.is_some() && edits.iter().all(is_replacing);
        if !is_quick && let Some(inverse) = self.apply_bulk(edits) {
            return Ok(inverse);
        }
        let mut inverses = Vec::with_capacity(edits.len());
        for edit in edits {
            match self.apply_with(edit, find) {
                Ok(inverse) => inverses.push(inverse),
                Err(error) => {
                    for inverse in inverses.iter().rev() {
                        self.apply(inverse)?;
                    }
                    return Err(error);
                }
            }
            // The others may stand elsewhere from now on.
            find = find.filter(|_| is_replacing(edit));
        }
        inverses.reverse();
        Ok(Edit::Batch(inverses))
    }
}
