use crate::World;
use crate::api::ObjectId;

pub(crate) fn reconcile(_world: &mut World<'_>, _id: ObjectId) {}
