//! What was encoded lately, so that the next stroke or the next alternative does not pay for the encoder again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use super::prompt::ExemplarCrop;
use crate::model::segmenter::{Exemplar, Features};

/// So many first looks or further looks stay encoded; the latter take about 36 MB.
const CROPS: usize = 4;
/// So many exemplars stay encoded.
const EXEMPLARS: usize = 64;

/// Encoded crops and exemplars, the newest last.
#[derive(Debug, Default)]
pub struct Memory {
    crops: RefCell<VecDeque<(Vec<f32>, Features)>>,
    exemplars: RefCell<VecDeque<(Arc<ExemplarCrop>, Exemplar)>>,
}

impl Memory {
    /// The features of the crop `input`, from `encode` where it was not seen lately.
    pub(super) fn features(&self, input: Vec<f32>, encode: impl FnOnce(Vec<f32>) -> Features) -> Features {
        let mut crops = self.crops.borrow_mut();
        if let Some((_, features)) = crops.iter().find(|(known, _)| *known == input) {
            return features.clone();
        }
        let features = encode(input.clone());
        if crops.len() == CROPS {
            crops.pop_front();
        }
        crops.push_back((input, features.clone()));
        features
    }

    /// The tokens of `crop`, from `encode` where it was not seen lately.
    ///
    /// # Errors
    /// Those of `encode`.
    pub(super) fn exemplar<E>(&self, crop: &Arc<ExemplarCrop>, encode: impl FnOnce() -> Result<Exemplar, E>) -> Result<Exemplar, E> {
        let mut exemplars = self.exemplars.borrow_mut();
        if let Some((_, exemplar)) = exemplars.iter().find(|(known, _)| Arc::ptr_eq(known, crop)) {
            return Ok(exemplar.clone());
        }
        let exemplar = encode()?;
        if exemplars.len() == EXEMPLARS {
            exemplars.pop_front();
        }
        exemplars.push_back((Arc::clone(crop), exemplar.clone()));
        Ok(exemplar)
    }
}
