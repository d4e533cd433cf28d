//! `--device`: which of the compiled backends computes.

use anyhow::{Context, bail};
use burn::tensor::Device;
use byteedit_nn::kernels;

/// The device of a name such as `cpu`, `cuda` or `cuda:1`; without one, the variable `BURN_DEVICE` and
/// else the CPU.
///
/// # Errors
/// A name that is unknown or was not compiled in, or an index that is no number.
pub(crate) fn device(name: Option<&str>) -> anyhow::Result<Device> {
    let variable = std::env::var("BURN_DEVICE").ok();
    let Some(name) = name.or(variable.as_deref()).filter(|name| !name.is_empty()) else {
        return Ok(Device::flex());
    };
    let (backend, index) = name.split_once(':').unwrap_or((name, "0"));
    let index: usize = index
        .parse()
        .with_context(|| format!("the device `{name}` has no number after its colon; write {backend}:0"))?;
    match backend {
        "cpu" | "flex" if index == 0 => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(index)),
        #[cfg(feature = "rocm")]
        "rocm" => Ok(Device::rocm(index)),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(burn::tensor::DeviceKind::DiscreteGpu(index))),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(burn::tensor::DeviceKind::DiscreteGpu(index))),
        #[cfg(feature = "webgpu")]
        "webgpu" => Ok(Device::webgpu(burn::tensor::DeviceKind::DiscreteGpu(index))),
        "cuda" | "rocm" | "metal" | "vulkan" | "webgpu" => {
            bail!("the device `{name}` is not in this program; build it with `--features {backend}`")
        }
        _ => bail!("there is no device `{name}`; choose cpu, cuda, rocm, metal, vulkan or webgpu"),
    }
}

/// What sums depend on besides their terms, down to the last bit: the device, whether our kernels are wanted on it, and how many
/// threads there are.
pub(crate) fn arithmetic(device: &Device) -> String {
    let kernels = if kernels::are_wanted() { "kernels" } else { "reference" };
    format!("{device:?}, {kernels}, {} threads", rayon::current_num_threads())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_other_threads_are_others() {
        let of = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| arithmetic(&Device::flex()))
        };
        assert!(of(3).ends_with(", 3 threads"), "{}", of(3));
        assert_ne!(of(3), of(2));
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(device(Some("cpu")).unwrap(), Device::flex());
        for (name, says) in
            [("gpu", "choose cpu, cuda"), ("cpu:1", "no device `cpu:1`"), ("cuda:x", "cuda:0")]
        {
            let message = device(Some(name)).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
        #[cfg(not(feature = "rocm"))]
        assert!(device(Some("rocm")).unwrap_err().to_string().contains("--features rocm"));
    }
}
