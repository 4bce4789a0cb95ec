//! A network and how it is run.

use memmap2::Mmap;
use rten::{Model, NodeId, ValueOrView};
use rten_tensor::NdTensor;

use crate::OcrError;

/// A network of one input and one output.
pub(super) struct Network {
    model: Model,
    input: NodeId,
    output: NodeId,
    file: &'static str,
}

impl Network {
    /// Makes a network of the bytes of an ONNX file; takes some hundredths of a second, and no file.
    ///
    /// # Errors
    /// [`OcrError::BadNetwork`].
    pub(super) fn of(file: &'static str, bytes: &Mmap) -> Result<Self, OcrError> {
        let bad = |reason: String| OcrError::BadNetwork {
            file: file.to_owned(),
            reason,
        };
        let model = Model::load(bytes.to_vec()).map_err(|error| bad(error.to_string()))?;
        match (model.input_ids(), model.output_ids()) {
            ([input], [output]) => Ok(Self {
                input: *input,
                output: *output,
                model,
                file,
            }),
            _ => Err(bad("it has not one input and one output".to_owned())),
        }
    }

    /// What is wrong with the file.
    pub(super) fn bad(&self, reason: String) -> OcrError {
        OcrError::BadNetwork {
            file: self.file.to_owned(),
            reason,
        }
    }

    /// What the file says of itself under a name.
    pub(super) fn metadata(&self, name: &str) -> Option<&str> {
        let mut fields = self.model.metadata().fields();
        fields.find_map(|(field, value)| (field == name).then_some(value))
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`OcrError::BadNetwork`].
    pub(super) fn run<const RANK: usize>(
        &self,
        input: NdTensor<f32, 4>,
    ) -> Result<NdTensor<f32, RANK>, OcrError> {
        let input = (self.input, ValueOrView::Value(input.into()));
        let [output] = self
            .model
            .run_n(vec![input], [self.output], None)
            .map_err(|error| self.bad(error.to_string()))?;
        let output: Result<NdTensor<f32, RANK>, _> = output.try_into();
        output.map_err(|error| self.bad(error.to_string()))
    }
}
