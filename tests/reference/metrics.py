"""Mask IoU and boundary IoU as the boundary-IoU reference computes them."""

from __future__ import annotations

import math

import cv2
import numpy as np


def iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def boundary(mask: np.ndarray, ratio: float = 0.02) -> np.ndarray:
    """Pixels of the mask within ``ratio`` of the image diagonal of its contour."""
    h, w = mask.shape
    d = max(1, round(ratio * math.hypot(h, w)))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=d)
    return (mask.astype(np.uint8) - eroded[1:-1, 1:-1]).astype(bool)


def boundary_iou(a: np.ndarray, b: np.ndarray) -> float:
    return iou(boundary(a), boundary(b))
