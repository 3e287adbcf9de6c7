//! An image of nodes that has the images of all components in it, so that a new cluster loads nothing.

use crate::components::Lock;

/// The name of the image that is baked of a lock.
pub fn image(lock: &Lock) -> String {
    format!("rehearse/node:{}", lock.hash())
}
