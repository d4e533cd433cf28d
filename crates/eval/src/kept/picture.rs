//! A picture in a line of JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use byteedit_image::{Encoding, Format, Limits, UnitImage, decode, encode};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A picture of 8 bits, which a line holds as a PNG in base64.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptPicture(pub(crate) UnitImage);

impl Serialize for KeptPicture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let png = self.0.to_picture().and_then(|picture| encode(&picture, &Encoding::new(Format::Png)));
        serializer.serialize_str(&STANDARD.encode(png.map_err(S::Error::custom)?))
    }
}

impl<'de> Deserialize<'de> for KeptPicture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let png = STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        let picture = decode(&png, &Limits::default()).map_err(D::Error::custom)?;
        Ok(Self(UnitImage::from_picture(&picture)))
    }
}
