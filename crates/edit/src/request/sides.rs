//! How much area an outpainting adds.

use byteedit_image::OutpaintPlan;

use crate::error::{EditError, Result};

/// Pixels to add on each side, at least one in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sides(OutpaintPlan);

impl Sides {
    /// Takes numbers as a user gives them.
    ///
    /// # Errors
    /// [`EditError::Setting`] for a negative number, and if all four are 0.
    pub fn new(left: i64, right: i64, top: i64, bottom: i64) -> Result<Self> {
        let side = |name, pixels: i64| {
            usize::try_from(pixels).map_err(|_| {
                EditError::setting(name, pixels, "0 or more pixels; to make a picture smaller, crop it")
            })
        };
        let plan = OutpaintPlan {
            left: side("left", left)?,
            right: side("right", right)?,
            top: side("top", top)?,
            bottom: side("bottom", bottom)?,
        };
        if plan.is_empty() {
            let limit = "1 pixel or more on at least one side";
            return Err(EditError::setting("the area to add", "0 on all sides", limit));
        }
        Ok(Self(plan))
    }

    /// The canvas geometry.
    pub const fn plan(&self) -> &OutpaintPlan {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_less_than_nothing_are_refused() {
        assert!(Sides::new(0, 0, 0, 0).unwrap_err().to_string().contains("0 on all sides"));
        let negative = Sides::new(5, 0, -3, 0).unwrap_err().to_string();
        assert!(negative.starts_with("top is -3"), "{negative}");
        assert_eq!(Sides::new(0, 0, 0, 1).unwrap().plan().bottom, 1);
    }
}
