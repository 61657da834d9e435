//! The layers of a network as a list: what each reads and writes, what it holds, and which tasks it belongs to.

use super::Network;
use crate::Scalar;
use crate::layer::LayerRecord;

impl<F: Scalar> Network<F> {
    /// The layers in the order in which they were built, where a residual block is one layer, and the task that each belongs
    /// to: `Some(None)` where all tasks share it, `None` where neither it nor its chain has parameters.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (&LayerRecord, Option<Option<usize>>)> {
        let pieces = self.sharing.pieces();
        self.layouts.layers.iter().map(move |layer| {
            // What has no parameters is whose the layers before and after it are.
            let chain = |layer: &LayerRecord| layer.name.rsplit_once('.').map(|(chain, _)| chain.to_owned());
            let mut of_chain = self.layouts.layers.iter().filter(|other| chain(other) == chain(layer));
            let with_parameters = match layer.parameters.is_empty() {
                false => Some(layer),
                true => of_chain.find(|other| !other.parameters.is_empty()),
            };
            let Some(at) = with_parameters.map(|layer| layer.parameters.start) else {
                return (layer, None);
            };
            let head = self.heads.iter().find(|head| head.range().contains(&at));
            let piece = pieces.iter().find(|piece| piece.range.contains(&at));
            let owner = match (head, piece.and_then(|piece| piece.owner)) {
                _ if at < self.layout().n_shared() => None,
                (Some(head), _) => Some(head.task),
                (None, owner) => owner.map(|head| self.heads[head].task),
            };
            (layer, Some(owner))
        })
    }

    /// Bytes of activations that a row takes, for all members of an ensemble and padding included; the deltas of one lane
    /// take as many.
    pub(crate) fn activation_bytes(&self) -> usize {
        self.layouts.activations.row_len() * self.members() * size_of::<F>()
    }
}
