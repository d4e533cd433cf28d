//! Lists of named things, one line for each group.

use serde::Serialize;

use crate::printer::Printer;

/// A thing that a model or a world knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NamedConcept<'a> {
    /// The word, such as "apple".
    pub(super) name: &'a str,
    /// Its group, such as "food".
    pub(super) group: &'a str,
}

/// Prints concepts by group, in the order in which groups first appear.
pub(super) fn print_concepts(
    concepts: &[NamedConcept<'_>],
    json: bool,
    printer: &Printer,
) -> anyhow::Result<()> {
    if json {
        return printer.json(&concepts);
    }
    grouped(concepts).into_iter().try_for_each(|line| printer.result(line))
}

fn grouped(concepts: &[NamedConcept<'_>]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for concept in concepts {
        match groups.iter_mut().find(|(group, _)| *group == concept.group) {
            Some((_, names)) => names.push(concept.name),
            None => groups.push((concept.group, vec![concept.name])),
        }
    }
    groups.into_iter().map(|(group, names)| format!("{group}: {}", names.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_their_order() {
        let concept = |name, group| NamedConcept { name, group };
        let concepts = [concept("cat", "animals"), concept("pear", "food"), concept("dog", "animals")];
        assert_eq!(grouped(&concepts), ["animals: cat, dog", "food: pear"]);
    }
}
