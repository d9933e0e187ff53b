//! What is known of an outline that no annotation file has a place for.

use std::collections::BTreeMap;

use crate::annotation::InstanceId;

/// Judgements, each of one outline of one object: [`crate::annotation::Instance::fingerprint`] tells its outlines apart.
pub type Judgements = BTreeMap<(InstanceId, u64), Judgement>;

/// What was said of an outline.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judgement {
    /// The `IoU` with the true mask that a model expects.
    pub expected_iou: Option<f32>,
    /// Whether a person has looked at it.
    pub looked_at: bool,
    /// Whether nothing but the brush has made it.
    pub painted: bool,
}

impl Judgement {
    /// A person has looked at it.
    pub const LOOKED_AT: Self = Self { expected_iou: None, looked_at: true, painted: false };

    /// Nothing but the brush has made it.
    pub const PAINTED: Self = Self { expected_iou: None, looked_at: false, painted: true };

    /// A model expects this `IoU`.
    pub const fn expected(iou: f32) -> Self {
        Self { expected_iou: Some(iou), looked_at: false, painted: false }
    }

    /// Whether a model has judged the mask and nobody has looked at it.
    pub const fn is_open(self) -> bool {
        self.expected_iou.is_some() && !self.looked_at
    }

    /// What is known once `later` was said too.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        Self {
            expected_iou: later.expected_iou.or(self.expected_iou),
            looked_at: self.looked_at || later.looked_at,
            painted: self.painted || later.painted,
        }
    }
}
