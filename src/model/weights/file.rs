//! A safetensors file whose header is read and whose tensors are not copied yet.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::burn_pack::Tensor as PackTensor;
use burn::tensor::{Bytes, DType};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{CONFIG_KEY, NETWORK_KEY, WeightError, apply};
use crate::formats::save::replace;

/// A safetensors file in memory.
#[derive(Clone, Debug)]
pub struct WeightFile {
    path: PathBuf,
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Header>,
    bytes: Cow<'static, [u8]>,
}

#[derive(Clone, Debug, Deserialize)]
struct Header {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl WeightFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read or is no whole safetensors file.
    pub fn read(path: &Path) -> Result<Self, WeightError> {
        let bytes = std::fs::read(path).map_err(|source| WeightError::Io { source, path: path.to_owned() })?;
        Self::parse(bytes.into(), path)
    }

    /// Takes `bytes` that are already in memory; errors call them `name`.
    ///
    /// # Errors
    /// When they are no whole safetensors file.
    pub fn parse(bytes: Cow<'static, [u8]>, name: &Path) -> Result<Self, WeightError> {
        let wrong = |reason: &str| WeightError::Format { reason: reason.to_owned(), path: name.to_owned() };
        let length = bytes.first_chunk::<8>().ok_or_else(|| wrong("shorter than its length field"))?;
        let end = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|length| length.checked_add(8));
        let header = end.and_then(|end| bytes.get(8..end)).ok_or_else(|| wrong("the header is cut short"))?;
        let data = bytes.len() - 8 - header.len();
        let json: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).map_err(|error| wrong(&error.to_string()))?;
        let (mut metadata, mut tensors) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in json {
            if name == "__metadata__" {
                metadata = serde_json::from_value(value).map_err(|error| wrong(&error.to_string()))?;
                continue;
            }
            let header: Header = serde_json::from_value(value).map_err(|error| wrong(&error.to_string()))?;
            let [start, end] = header.data_offsets;
            let width = header.width().ok_or_else(|| wrong(&format!("tensor {name} has type {}", header.dtype)))?;
            let count = header.shape.iter().try_fold(1_usize, |count, &side| count.checked_mul(side));
            let length = count.and_then(|count| count.checked_mul(width.size()));
            if end > data || start > end || length != Some(end - start) {
                return Err(wrong(&format!("tensor {name} does not lie in the file")));
            }
            tensors.insert(name, header);
        }
        Ok(Self { path: name.to_owned(), metadata, tensors, bytes })
    }

    /// Where the file was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes, header and all.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the file says about itself under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Writes this file at `path`, with `value` under `key` of its metadata, which is sorted. An existing file is replaced
    /// only once the new one is complete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_with(&self, key: &str, value: &str, path: &Path) -> Result<(), WeightError> {
        let data = self.bytes.get(self.bytes.len() - self.data_length()..).unwrap_or_default();
        let header = self.header_with(key, value)?;
        let length = (header.len() as u64).to_le_bytes();
        let parts: [&[u8]; 3] = [&length, &header, data];
        replace(path, |out| parts.iter().try_for_each(|part| out.write_all(part)))?;
        Ok(())
    }

    /// The header with `value` under `key` of the metadata, as long as the tensors behind it ask for.
    fn header_with(&self, key: &str, value: &str) -> Result<Vec<u8>, WeightError> {
        let wrong = |error: serde_json::Error| WeightError::Format { reason: error.to_string(), path: self.path.clone() };
        let header = self.bytes.get(8..self.bytes.len() - self.data_length()).unwrap_or_default();
        let mut json: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).map_err(wrong)?;
        let metadata: BTreeMap<&str, &str> =
            self.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain([(key, value)]).collect();
        json.insert("__metadata__".to_owned(), serde_json::json!(metadata));
        let mut header = serde_json::to_vec(&json).map_err(wrong)?;
        // The tensors begin at a multiple of 8.
        header.resize(header.len().next_multiple_of(8), b' ');
        Ok(header)
    }

    /// Whether the file holds the network called `expected`.
    ///
    /// # Errors
    /// When it holds another, or does not say.
    pub fn expect_network(&self, expected: &str) -> Result<(), WeightError> {
        let found = self.metadata(NETWORK_KEY).unwrap_or_default().to_owned();
        if found == expected {
            return Ok(());
        }
        Err(WeightError::Network { expected: expected.to_owned(), found, path: self.path.clone() })
    }

    /// The network's config.
    ///
    /// # Errors
    /// When there is none, or it is not of the form that `C` has.
    pub fn config<C: DeserializeOwned>(&self) -> Result<C, WeightError> {
        let text = self.metadata(CONFIG_KEY).ok_or_else(|| self.bad_config("there is none"))?;
        serde_json::from_str(text).map_err(|error| self.bad_config(&error.to_string()))
    }

    /// The error that says why the config cannot be used.
    pub fn bad_config(&self, reason: &str) -> WeightError {
        WeightError::Config { reason: reason.to_owned(), path: self.path.clone() }
    }

    /// Puts every tensor into `module` as f32.
    ///
    /// # Errors
    /// When a tensor is missing, extra or of another shape.
    pub fn load_into<M: Module>(&self, module: M) -> Result<M, WeightError> {
        self.load_part(module, "")
    }

    /// As [`Self::load_into`], with only those tensors whose names begin with `prefix`, which they lose.
    ///
    /// # Errors
    /// When a tensor is missing, extra or of another shape.
    pub fn load_part<M: Module>(&self, module: M, prefix: &str) -> Result<M, WeightError> {
        let tensor = |(name, header): (&String, &Header)| self.tensor(name.strip_prefix(prefix)?, header);
        apply(module, self.tensors.iter().filter_map(tensor).collect(), &self.path)
    }

    /// One tensor's shape and values as f32; `None` where it is not there or no float.
    pub fn values(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let header = self.tensors.get(name)?;
        let data = burn::store::bridge::into_data(self.tensor(name, header)?).ok()?;
        Some((header.shape.clone(), data.convert::<f32>().try_into_vec::<f32>().ok()?))
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    fn tensor(&self, name: &str, header: &Header) -> Option<PackTensor> {
        let data = self.bytes.len() - self.data_length();
        let [start, end] = header.data_offsets;
        let bytes = Bytes::from_bytes_vec(self.bytes.get(data + start..data + end)?.to_vec());
        Some(PackTensor::new(name.to_owned(), header.width()?, header.shape.clone(), None, bytes))
    }

    fn data_length(&self) -> usize {
        let header = self.bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length) as usize);
        self.bytes.len() - 8 - header
    }
}

impl Header {
    fn width(&self) -> Option<DType> {
        Some(match self.dtype.as_str() {
            "F16" => DType::F16,
            "BF16" => DType::BF16,
            "F32" => DType::F32,
            "F64" => DType::F64,
            "I64" => DType::I64,
            "I32" => DType::I32,
            "U8" => DType::U8,
            _ => return None,
        })
    }
}
