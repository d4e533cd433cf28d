//! The samplers by name, each with the grid that diffusers' class of that sampler uses.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Ddim, DpmPp2M, Euler, EulerAncestral, Lcm, Sampler};
use crate::config::FinalSigma;
use crate::error::DiffusionError;
use crate::level::NoiseLevel;
use crate::levels::Levels;
use crate::schedule::{FinalLevel, Grid, KarrasSpan, NoiseSchedule, Placement, TimestepSpacing};

/// A choice of sampler, parsed from the names `ddim`, `euler`, `euler-a`, `dpm++2m`,
/// `dpm++2m-karras` and `lcm`, by which it is also written in JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SamplerKind {
    /// [`Ddim`] with its `η`; the name alone means `η = 0`.
    Ddim {
        /// Share of fresh noise, from 0 to 1.
        eta: f64,
    },
    /// [`Euler`].
    Euler,
    /// [`EulerAncestral`].
    EulerAncestral,
    /// [`DpmPp2M`].
    DpmPp2M {
        /// Whether its levels lie on the Karras grid.
        karras: bool,
    },
    /// [`Lcm`].
    Lcm,
}

impl SamplerKind {
    /// Every sampler that has a name.
    pub const ALL: [Self; 6] = [
        Self::Ddim { eta: 0.0 },
        Self::Euler,
        Self::EulerAncestral,
        Self::DpmPp2M { karras: false },
        Self::DpmPp2M { karras: true },
        Self::Lcm,
    ];

    /// The name on the command line; it leaves out `η`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ddim { .. } => "ddim",
            Self::Euler => "euler",
            Self::EulerAncestral => "euler-a",
            Self::DpmPp2M { karras: false } => "dpm++2m",
            Self::DpmPp2M { karras: true } => "dpm++2m-karras",
            Self::Lcm => "lcm",
        }
    }

    /// A sampler at the start of a trajectory.
    ///
    /// # Errors
    /// [`DiffusionError::OutOfRange`] for an `η` outside 0 to 1.
    pub fn build(self, schedule: &NoiseSchedule) -> Result<Box<dyn Sampler>, DiffusionError> {
        Ok(match self {
            Self::Ddim { eta } => Box::new(Ddim::new(eta)?),
            Self::Euler => Box::new(Euler),
            Self::EulerAncestral => Box::new(EulerAncestral),
            Self::DpmPp2M { .. } => Box::<DpmPp2M>::default(),
            Self::Lcm => Box::new(Lcm { timestep_scaling: schedule.config().timestep_scaling }),
        })
    }

    /// Where diffusers places this sampler's steps on a schedule.
    pub fn grid(self, schedule: &NoiseSchedule) -> Grid {
        let config = schedule.config();
        let end_if = |is_clean| if is_clean { FinalLevel::Clean } else { FinalLevel::First };
        let sigma_end = end_if(config.final_sigmas_type == FinalSigma::Zero);
        let (placement, end) = match self {
            Self::Ddim { .. } => (Placement::Whole, end_if(config.set_alpha_to_one)),
            Self::Euler if config.use_karras_sigmas => (Placement::Karras(KarrasSpan::Grid), sigma_end),
            Self::Euler => (Placement::Fractional, sigma_end),
            Self::EulerAncestral => (Placement::Fractional, FinalLevel::Clean),
            Self::DpmPp2M { karras } if karras || config.use_karras_sigmas => {
                (Placement::Karras(KarrasSpan::Schedule), sigma_end)
            }
            Self::DpmPp2M { .. } => (Placement::Intervals, sigma_end),
            Self::Lcm => (Placement::Distilled, FinalLevel::Clean),
        };
        Grid { placement, end }
    }

    /// The schedule's own spacing or, where it has none, the default of diffusers' class.
    pub fn spacing(self, schedule: &NoiseSchedule) -> TimestepSpacing {
        let habit = match self {
            Self::Ddim { .. } | Self::Lcm => TimestepSpacing::Leading,
            Self::Euler | Self::EulerAncestral | Self::DpmPp2M { .. } => TimestepSpacing::Linspace,
        };
        schedule.config().timestep_spacing.unwrap_or(habit)
    }

    /// The noise levels of `n_steps` steps of this sampler.
    ///
    /// # Errors
    /// Those of [`NoiseSchedule::levels`].
    pub fn levels(self, schedule: &NoiseSchedule, n_steps: usize) -> Result<Levels, DiffusionError> {
        schedule.levels(n_steps, self.spacing(schedule), self.grid(schedule))
    }

    /// What standard normal noise is multiplied by to start from noise alone: diffusers'
    /// `init_noise_sigma`, in variance-preserving form.
    ///
    /// It is 1, except that the Euler classes start at the exact `σ` of a trailing or linspace grid
    /// (0.998 in Stable Diffusion).
    pub fn initial_noise_scale(self, schedule: &NoiseSchedule, start: NoiseLevel) -> f64 {
        match self {
            Self::Euler | Self::EulerAncestral if self.spacing(schedule) != TimestepSpacing::Leading => {
                start.sigma()
            }
            _ => 1.0,
        }
    }
}

impl fmt::Display for SamplerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for SamplerKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for SamplerKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl FromStr for SamplerKind {
    type Err = DiffusionError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            DiffusionError::UnknownSampler { name: name.to_owned(), known }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::SamplerKind;
    use crate::config::NoiseScheduleConfig;
    use crate::schedule::NoiseSchedule;

    #[test]
    fn names_parse_back() {
        for kind in SamplerKind::ALL {
            assert_eq!(kind.to_string().parse::<SamplerKind>().unwrap(), kind);
        }
        let message = "plms".parse::<SamplerKind>().unwrap_err().to_string();
        assert!(message.contains("`plms`") && message.contains("dpm++2m-karras"), "{message}");
    }

    #[test]
    fn a_bad_eta_is_refused() {
        let schedule = NoiseSchedule::new(NoiseScheduleConfig::stable_diffusion()).unwrap();
        for eta in [-0.1, 1.5, f64::NAN] {
            assert!(SamplerKind::Ddim { eta }.build(&schedule).is_err(), "{eta}");
        }
    }
}
