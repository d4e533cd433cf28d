//! What the training loop asks of a ranking reward: the loss of groups, figures on held-out ones.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use byteedit_models::flops::{TRAINING_FACTOR, blip};
use byteedit_models::tokenizer::BertTokenizer;
use byteedit_reward::losses::pairwise_loss;
use byteedit_reward::{ImageRewardNetwork, Standardisation, tokens};

use super::RankingRunConfig;
use super::data::{Comparisons, Group};
use super::frozen::is_frozen;
use super::model::{RankingModel, Texts};
use crate::Result;
use crate::random::{Use, stream};
use crate::reward::keeper::Keeper;
use crate::reward::seen::{Seen, preprocessed};
use crate::step::Loss;
use crate::training::Objective;

/// Groups that go through the network at once where nothing is learned.
const BATCH: usize = 32;

/// Ranking pictures of a prompt, and captions of a picture.
pub(super) struct Ranking<'a> {
    config: &'a RankingRunConfig,
    data: Comparisons<'a>,
    tokenizer: &'a BertTokenizer,
    device: &'a Device,
    keeper: Keeper,
    held_out: Vec<Group>,
    held_out_captions: Vec<Group>,
}

/// Scores of all items of some groups.
struct Scored {
    /// `[items]`
    scores: Tensor<1>,
    /// `[pictures, 1 + patches, hidden_size]`
    picture: Tensor<3>,
    /// Numbers of the items of a pair over all groups, the better first. All count alike: a caption that is as often wrong
    /// as it is true would not be so by weight otherwise.
    pairs: Vec<[usize; 2]>,
}

impl<'a> Ranking<'a> {
    /// Reads the held-out groups.
    pub(super) fn new(
        config: &'a RankingRunConfig,
        data: Comparisons<'a>,
        tokenizer: &'a BertTokenizer,
        keeper: Keeper,
        device: &'a Device,
    ) -> Result<Self> {
        let (held_out, held_out_captions) = (data.held_out()?, data.held_out_captions()?);
        Ok(Self { config, data, tokenizer, device, keeper, held_out, held_out_captions })
    }

    /// `kept` says what of the head's features is kept, see [`byteedit_reward::ScoreMlp::forward_dropping`].
    fn scored(
        &self,
        model: &ImageRewardNetwork,
        groups: &[Group],
        kept: impl FnMut(usize, [usize; 2]) -> Tensor<2>,
    ) -> Result<Scored> {
        let pictures: Vec<Seen> = groups.iter().flat_map(|group| group.pictures.iter().cloned()).collect();
        let seen = preprocessed(&pictures, self.device, |shown| {
            Ok(model.preprocess(shown.pixels(), shown.edit_mask())?)
        })?;
        let (mut places, mut texts, mut pairs) = (Vec::<i64>::new(), Vec::new(), Vec::new());
        let mut n_pictures = 0;
        for group in groups {
            let n_items = texts.len();
            pairs.extend(group.pairs.iter().map(|pair| pair.map(|item| n_items + item)));
            places.extend(group.items.iter().map(|item| (n_pictures + item.picture) as i64));
            texts.extend(group.items.iter().map(|item| item.text.clone()));
            n_pictures += group.pictures.len();
        }
        let places = Tensor::<1, Int>::from_data(places.as_slice(), self.device);
        let picture = model.picture_tokens(seen);
        let Texts { ids, is_padding } = self.texts(&texts);
        let features = model.features(&picture.clone().select(0, places), ids, is_padding);
        Ok(Scored { scores: model.mlp.forward_dropping(features, kept), picture, pairs })
    }

    fn texts(&self, texts: &[String]) -> Texts {
        let (ids, is_padding) = tokens(self.tokenizer, texts, self.config.network.max_length, self.device);
        Texts { ids, is_padding }
    }

    /// The contrastive loss of the groups of which it is known what they say.
    fn contrast(&self, model: &RankingModel, groups: &[Group], picture: &Tensor<3>) -> Tensor<1> {
        let (mut places, mut texts, mut said, mut n_pictures) =
            (Vec::<i64>::new(), Vec::new(), Vec::new(), 0);
        for group in groups {
            if let Some(it) = group.said {
                places.push(n_pictures);
                texts.push(group.items[0].text.clone());
                said.push(it);
            }
            n_pictures += group.pictures.len() as i64;
        }
        if said.len() < 2 {
            return model.nothing();
        }
        let is_wrong: Vec<bool> =
            said.iter().flat_map(|own| said.iter().map(|other| other.is_wrong_of(*own))).collect();
        let places = Tensor::<1, Int>::from_data(places.as_slice(), self.device);
        model.contrast(picture.clone().select(0, places), self.texts(&texts), &is_wrong)
    }

    /// Nothing is dropped.
    fn asked(&self, model: &ImageRewardNetwork, groups: &[Group]) -> Result<Answers> {
        let mut answers = Answers::default();
        for groups in groups.chunks(BATCH) {
            let ones = |_, shape| Tensor::ones(shape, self.device);
            let Scored { scores, pairs, .. } = self.scored(model, groups, ones)?;
            let scores: Vec<f64> = scores.into_data().iter::<f64>().collect();
            for [better, worse] in pairs {
                let difference = scores[better] - scores[worse];
                // -log σ(d), which does not overflow.
                answers.loss += (-difference).max(0.0) + (-difference.abs()).exp().ln_1p();
                answers.n_right += f64::from(u8::from(difference > 0.0));
                answers.n_pairs += 1.0;
            }
            answers.scores.extend(scores);
        }
        Ok(answers)
    }
}

/// What a model says of held-out groups.
#[derive(Debug, Default)]
struct Answers {
    loss: f64,
    n_right: f64,
    n_pairs: f64,
    scores: Vec<f64>,
}

impl Answers {
    fn loss(&self) -> f64 {
        self.loss / self.n_pairs.max(1.0)
    }

    fn accuracy(&self) -> f64 {
        self.n_right / self.n_pairs.max(1.0)
    }
}

impl Objective for Ranking<'_> {
    type Model = RankingModel;

    fn loss(&mut self, model: &RankingModel, _n_images: u64, first: u64) -> Result<Loss> {
        let RankingRunConfig { training, dropout, .. } = self.config;
        let groups = self.data.groups(first..first + training.batch_size as u64)?;
        let kept = |place: usize, shape: [usize; 2]| {
            let (index, p) = (first * dropout.len() as u64 + place as u64, dropout[place]);
            kept(training.seed, index, p, shape, self.device)
        };
        let Scored { scores, picture, pairs } = self.scored(&model.network, &groups, kept)?;
        let contrast = match self.config.contrast {
            0.0 => None,
            weight => Some((weight, self.contrast(model, &groups, &picture))),
        };
        let of = |which: usize| {
            let items: Vec<i64> = pairs.iter().map(|pair| pair[which] as i64).collect();
            scores.clone().select(0, Tensor::<1, Int>::from_data(items.as_slice(), self.device))
        };
        let mut parts = Vec::new();
        let mut total = if pairs.is_empty() {
            // A small batch of pictures of one thing has nothing to compare.
            scores.sum() * 0.0
        } else {
            let (better, worse) = (of(0), of(1));
            let differences = (better.clone() - worse.clone()).into_data();
            let n_right = differences.iter::<f32>().filter(|&difference| difference > 0.0).count();
            let accuracy = Tensor::from_data([n_right as f32 / pairs.len() as f32], self.device);
            parts.push(("accuracy", accuracy));
            pairwise_loss(better, worse).mean()
        };
        if let Some((weight, contrast)) = contrast {
            total = total + contrast.clone() * weight;
            parts.push(("contrast", contrast));
        }
        Ok(Loss { total, parts })
    }

    fn validate(&self, model: &RankingModel) -> Result<BTreeMap<String, f64>> {
        let model = &model.network;
        let mut figures = BTreeMap::new();
        let p_captions = f64::from(self.config.p_world + self.config.p_captions);
        let mut loss = 0.0;
        if !self.held_out.is_empty() {
            let answers = self.asked(model, &self.held_out)?;
            let share = if self.held_out_captions.is_empty() { 1.0 } else { 1.0 - p_captions };
            loss += share * answers.loss();
            figures.insert("loss_preferences".to_owned(), answers.loss());
            figures.insert("accuracy_preferences".to_owned(), answers.accuracy());
        }
        if !self.held_out_captions.is_empty() {
            let answers = self.asked(model, &self.held_out_captions)?;
            let share = if self.held_out.is_empty() { 1.0 } else { p_captions };
            loss += share * answers.loss();
            figures.insert("loss_captions".to_owned(), answers.loss());
            figures.insert("accuracy_captions".to_owned(), answers.accuracy());
            let shuffled = self.asked(model, &with_others_pictures(&self.held_out_captions))?;
            figures.insert("accuracy_captions_shuffled".to_owned(), shuffled.accuracy());
        }
        figures.insert("loss".to_owned(), loss);
        Ok(figures)
    }

    fn sample(&self, _model: &RankingModel, _path: &Path) -> Result<()> {
        Ok(())
    }

    fn gflop_per_image(&self) -> f64 {
        // A prompt has four candidates as a rule; a picture has its own caption and wrong ones.
        let RankingRunConfig { network, p_world, p_captions, n_wrong, .. } = self.config;
        let (picture, text) = blip(&network.blip_config, network.max_length);
        let p_captions = f64::from(p_world + p_captions);
        let captions = picture + (1 + n_wrong) as f64 * text;
        TRAINING_FACTOR * (p_captions * captions + (1.0 - p_captions) * 4.0 * (picture + text)) / 1e9
    }

    fn is_frozen(&self, name: &str) -> bool {
        let RankingRunConfig { network, contrast, frozen_fraction, .. } = self.config;
        match name.strip_prefix("network.") {
            Some(name) => is_frozen(&network.blip_config, *frozen_fraction, name),
            None => *contrast == 0.0 && RankingModel::is_projection(name),
        }
    }

    fn patience(&self) -> Option<u64> {
        Some(self.config.patience)
    }

    /// With the mean and deviation of its scores of held-out generations, or of true pictures where there are none.
    fn keep(&self, model: &RankingModel) -> Result<()> {
        let model = &model.network;
        let groups = if self.held_out.is_empty() { &self.held_out_captions } else { &self.held_out };
        let raw = self.asked(model, groups)?.scores;
        // Scores that are all the same are a start from which nothing was learned yet.
        let standardisation = Standardisation::of_scores(&raw).unwrap_or(Standardisation::NONE);
        self.keeper.keep(&model.clone().standardised(standardisation))
    }
}

/// 0 where a feature is dropped, else what makes up for it.
fn kept(seed: u64, index: u64, p: f32, shape: [usize; 2], device: &Device) -> Tensor<2> {
    if p == 0.0 {
        return Tensor::ones(shape, device);
    }
    let mut stream = stream(seed, Use::Dropout, index);
    let n_values = shape[0] * shape[1];
    let values = (0..n_values).map(|_| if stream.chance(p) { 0.0 } else { 1.0 / (1.0 - p) });
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
}

/// The groups with the pictures of the group half of all groups further on: a reward that looks at pictures is right in half
/// of them, and one that knows captions by themselves is found out.
fn with_others_pictures(groups: &[Group]) -> Vec<Group> {
    let n = groups.len();
    let pictures_of = |at: usize| groups[(at + n / 2) % n].pictures.clone();
    groups
        .iter()
        .enumerate()
        .map(|(at, group)| Group { pictures: pictures_of(at), ..group.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_makes_up_for_what_is_dropped() {
        let device = Device::default();
        let values: Vec<f32> = kept(3, 0, 0.2, [100, 100], &device).into_data().iter::<f32>().collect();
        assert!(values.iter().all(|&value| value == 0.0 || (value - 1.25).abs() < 1e-6));
        // Four standard deviations of 10,000 draws.
        let mean = values.iter().sum::<f32>() / 1e4;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        let again: Vec<f32> = kept(3, 0, 0.2, [100, 100], &device).into_data().iter::<f32>().collect();
        assert_eq!(values, again);
    }
}
