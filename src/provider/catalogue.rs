//! Abstract instance types (`h100-8x`) and what each cloud calls them.

use std::{fmt, str::FromStr};

/// The kinds of provider that a configuration can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// Simulated machines.
    Fake,
    /// Whatever speaks the HTTP provider protocol.
    Http,
    /// Lambda Labs.
    Lambda,
    /// Google Cloud.
    Gcp,
    /// Amazon Web Services.
    Aws,
    /// A provider of the program that embeds the control plane.
    Custom,
}

impl ProviderKind {
    /// Every kind, in the order they are named in messages.
    pub const ALL: [Self; 6] =
        [Self::Fake, Self::Http, Self::Lambda, Self::Gcp, Self::Aws, Self::Custom];

    /// The value of a provider's `type` key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fake => "fake",
            Self::Http => "http",
            Self::Lambda => "lambda",
            Self::Gcp => "gcp",
            Self::Aws => "aws",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for ProviderKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// A provider's `type` that there is none of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no provider type {0:?}; use fake, http, lambda, gcp, aws or custom")]
pub struct UnknownKind(String);

/// A cloud does not rent out that abstract type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} has no machine for {instance_type:?}; name one of its own types instead")]
pub struct NotOffered {
    kind: ProviderKind,
    instance_type: String,
}

/// One abstract type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbstractType {
    /// The name to use in a pool.
    pub name: &'static str,
    /// GPUs in one machine.
    pub gpu_count: u32,
    /// The GPU's model.
    pub gpu_type: &'static str,
    lambda: Option<&'static str>,
    gcp: Option<&'static str>,
    aws: Option<&'static str>,
}

const fn entry(
    (name, gpu_count, gpu_type): (&'static str, u32, &'static str),
    lambda: Option<&'static str>,
    gcp: Option<&'static str>,
    aws: Option<&'static str>,
) -> AbstractType {
    AbstractType { name, gpu_count, gpu_type, lambda, gcp, aws }
}

/// Every abstract type. Source: the configuration contract.
#[rustfmt::skip]
pub const ABSTRACT_TYPES: [AbstractType; 7] = [
    entry(("h100-8x", 8, "h100"), Some("gpu_8x_h100_sxm5"), Some("a3-highgpu-8g"), Some("p5.48xlarge")),
    entry(("h100-1x", 1, "h100"), Some("gpu_1x_h100_pcie"), Some("a3-highgpu-1g"), Some("p5.xlarge")),
    entry(("a100-8x", 8, "a100"), Some("gpu_8x_a100"), Some("a2-highgpu-8g"), Some("p4d.24xlarge")),
    entry(("a100-4x", 4, "a100"), Some("gpu_4x_a100"), Some("a2-highgpu-4g"), Some("p4de.24xlarge")),
    entry(("a100-1x", 1, "a100"), Some("gpu_1x_a100"), Some("a2-highgpu-1g"), None),
    entry(("a10-1x", 1, "a10"), Some("gpu_1x_a10"), Some("g2-standard-4"), Some("g5.xlarge")),
    entry(("l4-1x", 1, "l4"), None, Some("g2-standard-4"), Some("g6.xlarge")),
];

/// What `instance_type` is called at a provider of `kind`. A name that is not abstract is taken to be the
/// provider's own; `http`, `fake` and `custom`
/// providers know the abstract names themselves.
///
/// # Errors
///
/// [`NotOffered`] if the type is abstract and that cloud has none of it.
pub fn provider_type(kind: ProviderKind, instance_type: &str) -> Result<&str, NotOffered> {
    let Some(known) = abstract_type(instance_type) else {
        return Ok(instance_type);
    };
    let name = match kind {
        ProviderKind::Fake | ProviderKind::Http | ProviderKind::Custom => Some(known.name),
        ProviderKind::Lambda => known.lambda,
        ProviderKind::Gcp => known.gcp,
        ProviderKind::Aws => known.aws,
    };
    name.ok_or_else(|| NotOffered { kind, instance_type: instance_type.to_owned() })
}

/// The abstract type of that name.
pub fn abstract_type(name: &str) -> Option<&'static AbstractType> {
    ABSTRACT_TYPES.iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a wrong cell would rent the wrong machine, or one eight times as dear.
    #[test]
    fn the_table_is_the_contracts() {
        let contract = "
            h100-8x gpu_8x_h100_sxm5 / a3-highgpu-8g / p5.48xlarge;
            h100-1x gpu_1x_h100_pcie / a3-highgpu-1g / p5.xlarge;
            a100-8x gpu_8x_a100 / a2-highgpu-8g / p4d.24xlarge;
            a100-4x gpu_4x_a100 / a2-highgpu-4g / p4de.24xlarge;
            a100-1x gpu_1x_a100 / a2-highgpu-1g / none;
            a10-1x gpu_1x_a10 / g2-standard-4 / g5.xlarge;
            l4-1x none / g2-standard-4 / g6.xlarge";
        for line in contract.split(';') {
            let (name, cells) = line.trim().split_once(' ').unwrap();
            let clouds = [ProviderKind::Lambda, ProviderKind::Gcp, ProviderKind::Aws];
            for (kind, cell) in clouds.into_iter().zip(cells.split(" / ")) {
                let expected = (cell != "none").then_some(cell);
                assert_eq!(provider_type(kind, name).ok(), expected, "{kind} {name}");
            }
            assert_eq!(provider_type(ProviderKind::Http, name), Ok(name));
        }
        assert_eq!(contract.split(';').count(), ABSTRACT_TYPES.len());
    }

    /// Without it a pool could not name a type that only its cloud knows.
    #[test]
    fn a_providers_own_name_passes() {
        assert_eq!(provider_type(ProviderKind::Aws, "g6e.48xlarge"), Ok("g6e.48xlarge"));
    }

    /// Without it a type that a cloud lacks would be refused by the cloud, with a message of its own.
    #[test]
    fn a_missing_cell_says_what_to_do() {
        let refused = provider_type(ProviderKind::Lambda, "l4-1x").unwrap_err();
        assert_eq!(
            refused.to_string(),
            r#"lambda has no machine for "l4-1x"; name one of its own types instead"#
        );
    }
}
