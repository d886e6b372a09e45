//! Whether this processor has what the program was built for.
//!
//! A program that was built on one machine (`target-cpu=native`) ends on another one with "illegal
//! instruction", which tells a host nothing. Nothing here needs more of a processor than it must: no
//! loop over numbers, no hash map.

#[cfg(target_arch = "x86_64")]
use raw_cpuid::{CpuId, ExtendedFeatures, ExtendedProcessorFeatureIdentifiers, FeatureInfo};

/// An instruction set that a compiler uses by itself, or a library where the program is built for it.
struct Feature {
    /// As rustc names it.
    name: &'static str,
    /// Whether the program may use it everywhere.
    built_for: bool,
    /// Whether this processor has it.
    here: bool,
}

/// Refuses a processor on which the program would not run.
///
/// # Errors
/// What it lacks, and what to do.
pub fn check() -> Result<(), String> {
    match lacking(&features()) {
        lacking if lacking.is_empty() => Ok(()),
        lacking => Err(format!(
            "this processor lacks {}, for which this accord was built; build it on this machine with \
             cargo build --release, or once for all of your machines with RUSTFLAGS=\"-C target-cpu={PORTABLE}\" \
             (docs/hosting.md, \"Builds\")",
            lacking.join(", ")
        )),
    }
}

/// What a build for many machines is for.
const PORTABLE: &str = if cfg!(target_arch = "x86_64") {
    "x86-64-v3"
} else {
    "generic"
};

fn lacking(features: &[Feature]) -> Vec<&'static str> {
    let lacking = features
        .iter()
        .filter(|feature| feature.built_for && !feature.here);
    lacking.map(|feature| feature.name).collect()
}

/// Of the processor itself: `is_x86_feature_detected!` says yes to all that the program was built for.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<Feature> {
    type Basic = FeatureInfo;
    type Extended = ExtendedFeatures;
    type Further = ExtendedProcessorFeatureIdentifiers;
    let cpu = CpuId::new();
    let basic = cpu.get_feature_info();
    let extended = cpu.get_extended_feature_info();
    let further = cpu.get_extended_processor_and_feature_identifiers();
    let basic = |has: fn(&Basic) -> bool| basic.as_ref().is_some_and(has);
    let extended = |has: fn(&Extended) -> bool| extended.as_ref().is_some_and(has);
    let further = |has: fn(&Further) -> bool| further.as_ref().is_some_and(has);
    macro_rules! features {
        ($($name:literal: $here:expr,)*) => {
            vec![$(Feature { name: $name, built_for: cfg!(target_feature = $name), here: $here },)*]
        };
    }
    features![
        "sse3": basic(Basic::has_sse3),
        "ssse3": basic(Basic::has_ssse3),
        "sse4.1": basic(Basic::has_sse41),
        "sse4.2": basic(Basic::has_sse42),
        "sse4a": further(Further::has_sse4a),
        "popcnt": basic(Basic::has_popcnt),
        "lzcnt": further(Further::has_lzcnt),
        "movbe": basic(Basic::has_movbe),
        "bmi1": extended(Extended::has_bmi1),
        "bmi2": extended(Extended::has_bmi2),
        "aes": basic(Basic::has_aesni),
        "pclmulqdq": basic(Basic::has_pclmulqdq),
        "sha": extended(Extended::has_sha),
        "gfni": extended(Extended::has_gfni),
        "f16c": basic(Basic::has_f16c),
        "fma": basic(Basic::has_fma),
        "avx": basic(Basic::has_avx),
        "avx2": extended(Extended::has_avx2),
        "vaes": extended(Extended::has_vaes),
        "vpclmulqdq": extended(Extended::has_vpclmulqdq),
        "avxvnni": extended(Extended::has_avx_vnni),
        "avx512f": extended(Extended::has_avx512f),
        "avx512bw": extended(Extended::has_avx512bw),
        "avx512cd": extended(Extended::has_avx512cd),
        "avx512dq": extended(Extended::has_avx512dq),
        "avx512vl": extended(Extended::has_avx512vl),
        "avx512ifma": extended(Extended::has_avx512_ifma),
        "avx512vbmi": extended(Extended::has_avx512vbmi),
        "avx512vbmi2": extended(Extended::has_avx512vbmi2),
        "avx512vnni": extended(Extended::has_avx512vnni),
        "avx512bitalg": extended(Extended::has_avx512bitalg),
        "avx512vpopcntdq": extended(Extended::has_avx512vpopcntdq),
        "avx512bf16": extended(Extended::has_avx512_bf16),
        "avx512fp16": extended(Extended::has_avx512_fp16),
    ]
}

/// Of Linux, which asks the processor; elsewhere nobody can be asked, and nothing is refused.
#[cfg(target_arch = "aarch64")]
fn features() -> Vec<Feature> {
    match std::fs::read_to_string("/proc/cpuinfo") {
        Ok(cpuinfo) => features_in(&cpuinfo),
        Err(_) => Vec::new(),
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<Feature> {
    Vec::new()
}

/// As `/proc/cpuinfo` of Linux lists those of an aarch64 processor; none where it lists none.
#[cfg(any(test, target_arch = "aarch64"))]
fn features_in(cpuinfo: &str) -> Vec<Feature> {
    let listed = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("Features")?.split_once(':'));
    let Some((_, listed)) = listed else {
        return Vec::new();
    };
    macro_rules! features {
        ($($name:literal: $linux:literal,)*) => {
            vec![$(Feature {
                name: $name,
                built_for: cfg!(target_feature = $name),
                here: listed.split_whitespace().any(|here| here == $linux),
            },)*]
        };
    }
    features![
        "neon": "asimd",
        "crc": "crc32",
        "aes": "aes",
        "sha2": "sha2",
        "sha3": "sha3",
        "lse": "atomics",
        "rcpc": "lrcpc",
        "rdm": "asimdrdm",
        "fp16": "asimdhp",
        "dotprod": "asimddp",
        "fcma": "fcma",
        "jsconv": "jscvt",
        "i8mm": "i8mm",
        "bf16": "bf16",
        "sve": "sve",
        "sve2": "sve2",
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_built_for_and_is_not_here_is_lacking() {
        let feature = |name, built_for, here| Feature {
            name,
            built_for,
            here,
        };
        let features = [
            feature("avx", true, true),
            feature("avx2", true, false),
            feature("avx512f", false, false),
            feature("sha", false, true),
            feature("fma", true, false),
        ];
        assert_eq!(lacking(&features), ["avx2", "fma"]);
    }

    #[test]
    fn this_processor_has_what_the_tests_were_built_for() {
        assert_eq!(check(), Ok(()));
        #[cfg(target_arch = "x86_64")]
        assert!(features().iter().any(|feature| feature.here));
    }

    #[test]
    fn what_linux_lists_of_an_aarch64_processor_is_read() {
        // A Raspberry Pi 4, whose processor has no atomic instructions.
        let pi = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n\
                  CPU implementer\t: 0x41\n";
        let here: Vec<_> = features_in(pi)
            .into_iter()
            .filter(|feature| feature.here)
            .map(|feature| feature.name)
            .collect();
        assert_eq!(here, ["neon", "crc"]);
        assert!(features_in("flags\t: avx2\n").is_empty());
    }
}
