//! The networks against their `PyTorch` twins (`tests/reference`), on the CPU and on a graphics adapter, forward and backward.
//!
//! The comparison of gradients between the two devices is the gate for every update of Burn: a fused kernel once gave
//! wrong sums behind a convolution with one output channel, and no forward pass showed it.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock};

use annotator::geometry::{Rect, Size};
use annotator::mask::Mask;
use annotator::model::device::{Compute, ComputeChoice, DeviceError, open};
use annotator::model::diffusion::process::Walk;
use annotator::model::diffusion::sampler::sample;
use annotator::model::diffusion::schedule::FineShare;
use annotator::model::layer::shuffled;
use annotator::model::loss::{refining, segmenting};
use annotator::model::noise::Noise;
use annotator::model::refiner::{self, Refiner, RefinerConfig};
use annotator::model::segmenter::{self, Condition, Exemplar, Segmenter, SegmenterConfig};
use annotator::model::weights::{WeightError, WeightFile, save};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// `module` with seeded random weights of a sensible size, the same on every machine.
pub(crate) fn seeded<M: Module>(module: M, seed: u64) -> M {
    struct Seeded(Noise);
    impl ModuleMapper for Seeded {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.lazy_shape();
            let fan_in: usize = shape.iter().skip(1).product();
            let size = if D == 1 { 0.05 } else { (fan_in as f32).powf(-0.5) };
            let values: Vec<f32> = self.0.normals(shape.num_elements()).into_iter().map(|v| v * size).collect();
            param.map(|tensor| {
                let noise = Tensor::from_data(TensorData::new(values, shape), &tensor.device());
                if D == 1 { tensor.ones_like() * 0.5 + noise } else { noise }
            })
        }
    }
    module.map(&mut Seeded(Noise::new(seed)))
}

fn fixture(name: &str) -> WeightFile {
    WeightFile::read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn tensor(file: &WeightFile, name: &str, device: &Device) -> Tensor<4> {
    let (shape, values) = file.values(name).unwrap_or_else(|| panic!("the fixture has no {name}"));
    let shape: [usize; 4] = shape.try_into().unwrap();
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[track_caller]
fn assert_close<const D: usize>(actual: Tensor<D>, file: &WeightFile, name: &str, tolerance: f32) {
    let actual: Vec<f32> = actual.try_into_vec_as().unwrap();
    let expected = file.values(name).unwrap().1;
    let worst = difference(&actual, &expected);
    assert!(worst < tolerance, "{name} is off by {worst}");
}

pub(crate) fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |worst, next| if next > worst || next.is_nan() { next } else { worst })
}

/// Work for the thread that owns the graphics device.
type Job = Box<dyn FnOnce(Result<&Device, &DeviceError>) + Send>;

/// Runs `test` on a graphics adapter, software ones included; says *skipped* where there is none, and fails instead
/// under `ANNOTATOR_REQUIRE_GPU`. All tests share one thread and one device, as the program does: Burn's streams belong
/// to threads.
pub(crate) fn on_gpu(test: fn(&Device)) {
    static THREAD: OnceLock<Mutex<SyncSender<Job>>> = OnceLock::new();
    let jobs = THREAD.get_or_init(|| {
        let (send, jobs) = sync_channel::<Job>(1);
        let work = move || {
            let compute = open(ComputeChoice::Gpu);
            let device = compute.as_ref().map(Compute::device);
            for job in jobs {
                job(device.as_ref().map_err(|error| *error));
            }
        };
        annotator::job::spawn("compute", work).unwrap();
        Mutex::new(send)
    });
    let (send, outcome) = sync_channel(1);
    let job: Job = Box::new(move |device| {
        let outcome = match device {
            Ok(device) => catch_unwind(AssertUnwindSafe(|| test(device))).map(|()| None),
            Err(error) => Ok(Some(error.to_string())),
        };
        send.send(outcome).unwrap();
    });
    jobs.lock().unwrap().send(job).unwrap();
    match outcome.recv().unwrap() {
        Ok(None) => {}
        Ok(Some(error)) => {
            assert!(std::env::var_os("ANNOTATOR_REQUIRE_GPU").is_none(), "a graphics adapter is required: {error}");
            std::io::stderr().write_all(format!("*skipped*: {error}\n").as_bytes()).unwrap();
        }
        Err(panic) => resume_unwind(panic),
    }
}

fn tiny_segmenter(device: &Device) -> (WeightFile, Segmenter) {
    let file = fixture("segmenter_tiny.safetensors");
    let config: SegmenterConfig = file.config().unwrap();
    let network = file.load_part(Segmenter::new(&config, device), "weights.").unwrap();
    (file, network)
}

fn tiny_refiner(device: &Device) -> (WeightFile, Refiner) {
    let file = fixture("refiner_tiny.safetensors");
    let config: RefinerConfig = file.config().unwrap();
    let network = file.load_part(Refiner::new(&config, device), "weights.").unwrap();
    (file, network)
}

fn segmenter_matches(device: &Device, tolerance: f32) {
    let (file, network) = tiny_segmenter(device);
    let at = |name: &str| tensor(&file, name, device);
    let features = network.encoder.forward(at("input"));
    assert_close(shuffled(features.f2.clone(), 2), &file, "f2", tolerance);
    assert_close(features.f4.clone(), &file, "f4", tolerance);
    assert_close(features.f8.clone(), &file, "f8", tolerance);
    assert_close(features.f16.clone(), &file, "f16", tolerance);
    assert_close(features.f32.clone(), &file, "f32", tolerance);
    let levels: Vec<f64> = file.values("u").unwrap().1.into_iter().map(f64::from).collect();
    let prediction = network.denoiser.forward(&features, at("x_u"), &levels, at("x0_hat"));
    assert_close(prediction.logits, &file, "logits", tolerance);
    assert_close(prediction.quality, &file, "quality", tolerance);
    for steps in [1, 4] {
        let denoise = |x, level, signal| network.denoiser.forward(&features, x, &[level; 2], signal).logits;
        let logits = sample(at("noise"), steps, denoise, |_, _| ControlFlow::Continue(())).unwrap();
        assert_close(logits, &file, &format!("sample{steps}.logits"), 10.0 * tolerance);
    }
}

fn conditioning_matches(device: &Device, tolerance: f32) {
    let file = fixture("conditioning_tiny.safetensors");
    let config: SegmenterConfig = file.config().unwrap();
    let network = file.load_part(Segmenter::new(&config, device), "weights.").unwrap();
    let at = |name: &str| tensor(&file, name, device);
    let (side, plane) = (config.mask, config.mask * config.mask);
    let (crops, masks) = (file.values("crops").unwrap().1, file.values("masks").unwrap().1);
    let exemplar = |index: usize| {
        let (crop, mask) = (&crops[index * 5 * plane..][..5 * plane], &masks[index * plane..][..plane]);
        let input = Tensor::from_data(TensorData::new(crop.to_vec(), [1, 5, side, side]), device);
        let f16: Vec<f32> = network.encoder.forward(input).f16.try_into_vec_as().unwrap();
        let cells = side / 16;
        let pixel = |cell: usize, inner: usize| mask[(cell / cells * 16 + inner / 16) * side + cell % cells * 16 + inner % 16];
        let share: Vec<f32> = (0..cells * cells).map(|cell| (0..256).map(|inner| pixel(cell, inner)).sum::<f32>() / 256.0).collect();
        let colours = crop[..3 * plane].iter().enumerate().map(|(at, value)| value * mask[at % plane]).collect();
        Exemplar::new(&f16, &share, Some(colours))
    };
    let conditions = [
        Condition { exemplars: vec![exemplar(0), exemplar(1)], class: Some(1) },
        Condition { exemplars: vec![exemplar(2)], class: None },
        Condition { exemplars: Vec::new(), class: Some(2) },
        Condition::default(),
    ];
    let features = network.encoder.forward(at("input"));
    let levels: Vec<f64> = file.values("u").unwrap().1.into_iter().map(f64::from).collect();
    let context = network.conditioning.as_ref().unwrap().context(&conditions, device);
    let prediction = network.denoise(&features, at("x_u"), &levels, at("x0_hat"), context.as_ref());
    assert_close(prediction.logits, &file, "logits", tolerance);
    assert_close(prediction.quality, &file, "quality", tolerance);
    let none = network.conditioning.as_ref().unwrap().context(&conditions[3..], device);
    assert!(none.is_none());
    let plain = network.denoise(&features, at("x_u"), &levels, at("x0_hat"), none.as_ref());
    assert_close(plain.logits, &file, "plain", tolerance);
}

fn refiner_matches(device: &Device, tolerance: f32) {
    let (file, network) = tiny_refiner(device);
    let at = |name: &str| tensor(&file, name, device);
    for time in [5, 2, 0] {
        let logits = network.forward(at("image"), at("mask"), &[time; 2]);
        assert_close(logits, &file, &format!("logits.t{time}"), tolerance);
    }
    let coarse = file.values("mask").unwrap().1;
    let uniforms = file.values("uniform").unwrap().1;
    for (steps, name) in [(vec![5, 2, 0], "refined.520"), (vec![5, 4, 3, 2, 1, 0], "refined.543210")] {
        let mut uniform = uniforms.iter().copied();
        let mut walk = Walk::new(FineShare::new(6), &steps, coarse.len()).unwrap();
        let mut shown = coarse.clone();
        while let Some(time) = walk.time() {
            let mask = Tensor::from_data(TensorData::new(shown, at("mask").dims()), device);
            let logits = network.forward(at("image"), mask, &[time; 2]);
            let values: Vec<f32> = logits.clone().try_into_vec_as().unwrap();
            if let Some(next) = walk.advance(&values, &coarse, || uniform.next().unwrap()) {
                shown = next;
            } else {
                assert_close(logits, &file, name, 10.0 * tolerance);
                break;
            }
        }
    }
}

#[test]
fn the_segmenter_is_its_twin_on_the_cpu() {
    segmenter_matches(&Device::flex(), 1e-5);
}

#[test]
fn the_conditioning_is_its_twin_on_the_cpu() {
    conditioning_matches(&Device::flex(), 1e-4);
}

#[test]
fn the_refiner_is_its_twin_on_the_cpu() {
    refiner_matches(&Device::flex(), 1e-5);
}

#[test]
fn the_segmenter_is_its_twin_on_a_graphics_adapter() {
    on_gpu(|device| segmenter_matches(device, 1e-4));
}

#[test]
fn the_refiner_is_its_twin_on_a_graphics_adapter() {
    on_gpu(|device| refiner_matches(device, 1e-4));
}

/// The gradient of every parameter, in visiting order.
struct Collected<'a> {
    gradients: &'a Gradients,
    values: Vec<Vec<f32>>,
}

impl ModuleVisitor for Collected<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients).expect("every parameter has a gradient");
        self.values.push(gradient.try_into_vec_as().unwrap());
    }
}

fn gradients<M: Module>(network: &M, loss: &Tensor<1>) -> (f32, Vec<Vec<f32>>) {
    let gradients = loss.backward();
    let mut collected = Collected { gradients: &gradients, values: Vec::new() };
    network.visit(&mut collected);
    let values = collected.values;
    (loss.clone().into_scalar::<f32>(), values)
}

fn segmenter_gradients(device: &Device) -> (f32, Vec<Vec<f32>>) {
    let (file, network) = tiny_segmenter(device);
    let network = network.train();
    let at = |name: &str| tensor(&file, name, device);
    let target = at("x_u").greater_elem(0.3).float();
    let prediction = network.forward(at("input"), at("x_u"), &[0.7, 1.0], at("x0_hat"));
    let loss = segmenting(prediction.logits, target) + (prediction.quality - 0.5).powf_scalar(2.0).mean();
    gradients(&network, &loss)
}

fn refiner_gradients(device: &Device) -> (f32, Vec<Vec<f32>>) {
    let (file, network) = tiny_refiner(device);
    let network = network.train();
    let at = |name: &str| tensor(&file, name, device);
    let loss = refining(network.forward(at("image"), at("mask"), &[5, 2]), at("mask"));
    gradients(&network, &loss)
}

#[track_caller]
fn assert_same_gradients(cpu: &(f32, Vec<Vec<f32>>), gpu: &(f32, Vec<Vec<f32>>)) {
    assert!((cpu.0 - gpu.0).abs() < 1e-4 * cpu.0.abs().max(1.0), "losses {} and {}", cpu.0, gpu.0);
    assert_eq!(cpu.1.len(), gpu.1.len());
    for (index, (cpu, gpu)) in cpu.1.iter().zip(&gpu.1).enumerate() {
        let scale = cpu.iter().fold(1e-2_f32, |most, value| most.max(value.abs()));
        let worst = difference(cpu, gpu) / scale;
        assert!(worst < 1e-3, "the gradient of parameter {index} is off by {worst} of its range");
    }
}

#[test]
fn losses_and_gradients_agree_between_the_devices() {
    on_gpu(|device| {
        assert_same_gradients(&segmenter_gradients(&Device::flex()), &segmenter_gradients(device));
        assert_same_gradients(&refiner_gradients(&Device::flex()), &refiner_gradients(device));
    });
}

/// Moves every parameter along its gradient.
struct Stepped<'a>(std::slice::Iter<'a, Vec<f32>>, f32);
impl ModuleMapper for Stepped<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = self.0.next().unwrap().clone();
        param.map(|tensor| {
            let gradient = Tensor::from_data(TensorData::new(gradient, tensor.shape()), &tensor.device());
            tensor + gradient * self.1
        })
    }
}

#[test]
fn gradients_on_the_cpu_are_those_of_a_small_step() {
    let (file, network) = tiny_refiner(&Device::flex());
    let at = |name: &str| tensor(&file, name, &Device::flex());
    let loss = |network: &Refiner| refining(network.forward(at("image"), at("mask"), &[5, 2]), at("mask"));
    let trained = network.clone().train();
    let (_, gradients) = gradients(&trained, &loss(&trained));
    let norm: f64 = gradients.iter().flatten().map(|&g| f64::from(g).powi(2)).sum();
    let size = 1e-3 / norm.sqrt() as f32;
    let at_step = |step: f32| f64::from(loss(&network.clone().map(&mut Stepped(gradients.iter(), step))).into_scalar::<f32>());
    let slope = (at_step(size) - at_step(-size)) / (2.0 * f64::from(size));
    assert!((slope / norm - 1.0).abs() < 0.02, "the slope along the gradient is {slope}, its square {norm}");
}

#[test]
fn weights_come_back_as_they_were_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refiner.safetensors");
    let (_, network) = tiny_refiner(&Device::flex());
    save(&network, refiner::NETWORK, &network.config, &path).unwrap();
    let file = WeightFile::read(&path).unwrap();
    let again = Refiner::load(&file, &Device::flex()).unwrap();
    assert_eq!(again.config, network.config);
    let second = folder.path().join("again.safetensors");
    save(&again, refiner::NETWORK, &again.config, &second).unwrap();
    let second = WeightFile::read(&second).unwrap();
    assert!(file.names().eq(second.names()));
    for name in file.names() {
        assert_eq!(file.values(name), second.values(name), "{name} changed on its way through f16");
    }
    for _ in 0..8 {
        save(&again, refiner::NETWORK, &again.config, &path).unwrap();
        assert!(std::fs::read(&path).unwrap() == file.bytes(), "equal weights are equal files");
    }
}

#[cfg(unix)]
#[test]
fn weights_are_written_as_any_other_file_is() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mode = |name: &str| std::fs::metadata(at(name)).unwrap().permissions().mode();
    let (_, network) = tiny_refiner(&Device::flex());
    let saved = |name: &str| save(&network, refiner::NETWORK, &network.config, &at(name));
    std::fs::write(at("other"), b"").unwrap();
    saved("real").unwrap();
    assert_eq!(mode("real"), mode("other"));
    symlink(at("real"), at("link")).unwrap();
    saved("link").unwrap();
    assert!(std::fs::symlink_metadata(at("link")).unwrap().is_symlink());
    std::fs::set_permissions(at("real"), std::fs::Permissions::from_mode(0o444)).unwrap();
    let error = saved("link").unwrap_err();
    assert!(error.to_string().contains("read-only") && error.to_string().contains("real"), "{error}");
}

#[test]
fn a_wrong_file_names_itself_and_the_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.safetensors");
    let device = Device::flex();
    let (_, network) = tiny_refiner(&device);
    save(&network, refiner::NETWORK, &network.config, &path).unwrap();
    let file = WeightFile::read(&path).unwrap();
    let message = |error: WeightError| error.to_string();

    let other = message(Segmenter::load(&file, &device).unwrap_err());
    assert!(other.contains("\"refiner\", not \"segmenter\"") && other.contains("tiny.safetensors"), "{other}");
    let wider = RefinerConfig { base: 16, ..network.config.clone() };
    let shape = message(file.load_into(Refiner::new(&wider, &device)).unwrap_err());
    assert!(shape.contains("tensor input_blocks.0.0.bias has shape [8], the network needs [16]"), "{shape}");
    let deeper = RefinerConfig { mult: vec![1, 2, 2], ..network.config.clone() };
    let missing = file.load_into(Refiner::new(&deeper, &device)).unwrap_err();
    assert!(missing.to_string().contains("missing input_blocks.4.0.op.bias, "), "{missing}");
    let attending = RefinerConfig { attn_strides: vec![1], ..network.config.clone() };
    let path = folder.path().join("attending.safetensors");
    save(&Refiner::new(&attending, &device), refiner::NETWORK, &attending, &path).unwrap();
    let without = RefinerConfig { attn_strides: vec![], ..attending };
    let extra = WeightFile::read(&path).unwrap().load_into(Refiner::new(&without, &device)).unwrap_err();
    assert!(extra.to_string().contains("missing none; not expected input_blocks.1.1.norm.bias, "), "{extra}");

    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 5, 200, bytes.len() - 1] {
        let error = WeightFile::parse(bytes[..cut].to_vec().into(), &path).unwrap_err();
        assert!(matches!(error, WeightError::Format { .. }), "{error}");
    }
    let gone = WeightFile::read(&folder.path().join("gone.safetensors")).unwrap_err();
    assert!(gone.to_string().contains("gone.safetensors"));
}

#[test]
fn random_segmenter_weights_start_as_a_flat_guess_of_finite_numbers() {
    let config = SegmenterConfig::tiny();
    let device = Device::flex();
    let network = Segmenter::new(&config, &device);
    let crop = Tensor::zeros([1, 5, config.crop, config.crop], &device);
    let noisy = Tensor::ones([1, 1, config.mask, config.mask], &device);
    let prediction = network.forward(crop, noisy.clone(), &[1.0], noisy);
    assert_eq!(prediction.logits.dims(), [1, 1, config.mask, config.mask]);
    assert!(prediction.logits.try_into_vec_as::<f32>().unwrap().iter().all(|value| value.is_finite()));
    assert_eq!(segmenter::NETWORK, "segmenter");
    assert_eq!(Mask::new(Size::new(1, 1)).bbox(), None::<Rect>);
}
