//! An edit does nothing twice and nothing in vain, counted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use byteedit_edit::{EditRequest, Settings, Sides, Task, TaskKind, Watch, Work};
use byteedit_image::{Limits, Mask, Rect};
use support::{Kind, box_mask, edit, keeping_model, model, prompt, rgb, settings};

fn work(kind: Kind, request: &EditRequest) -> Work {
    model(kind).edit(request, &mut Watch::silent()).unwrap().work
}

fn simple(settings: Settings) -> EditRequest {
    let picture = rgb(40, 40);
    let mask = box_mask(picture.size(), Rect::new(10, 10, 12, 12));
    edit(picture, mask, settings)
}

/// Two steps; the prompt and the empty negative prompt in one batch, twice the latents.
#[test]
fn guidance_is_one_call_for_each_step() {
    let found = work(Kind::Inpainting, &simple(settings(TaskKind::Edit)));
    let expected = Work { n_texts: 2, n_encoded: 1, n_evaluations: 2, n_evaluated: 4, n_decoded: 1 };
    assert_eq!(found, expected);
}

#[test]
fn without_guidance_nothing_of_it_is_computed() {
    let mut unguided = settings(TaskKind::Edit);
    unguided.sampling.guidance_scale = 1.0;
    unguided.sampling.negative_prompt = Some(prompt("a duck"));
    let expected = Work { n_texts: 1, n_encoded: 1, n_evaluations: 2, n_evaluated: 2, n_decoded: 1 };
    assert_eq!(work(Kind::Inpainting, &simple(unguided)), expected);
    // Away from what is asked for, there is nowhere to go.
    let mut same = settings(TaskKind::Edit);
    same.sampling.negative_prompt = Some(prompt("a red apple"));
    assert_eq!(work(Kind::Inpainting, &simple(same)), expected);
}

/// Once with the grey hole for the network, once filled for what is kept.
#[test]
fn a_model_that_keeps_latents_encodes_the_canvas_twice() {
    let request = simple(settings(TaskKind::Edit));
    let found = keeping_model().edit(&request, &mut Watch::silent()).unwrap().work;
    assert_eq!(found.n_encoded, 2);
    assert_eq!(Work { n_encoded: 1, ..found }, work(Kind::Inpainting, &request));
}

/// What is filled for the network would do for what is kept.
#[test]
fn a_model_that_sees_a_guess_encodes_the_canvas_once() {
    let request = simple(settings(TaskKind::Edit));
    assert_eq!(work(Kind::Guessing, &request), work(Kind::Inpainting, &request));
}

/// Six pictures in batches of four: texts and canvas are those of one.
#[test]
fn pictures_of_one_edit_share_their_conditions() {
    for (kind, strength, n_encoded) in
        [(Kind::Inpainting, 1.0, 1), (Kind::Inpainting, 0.5, 2), (Kind::Plain, 1.0, 1)]
    {
        let mut many = Settings { count: 6, ..settings(TaskKind::Edit) };
        many.sampling.strength = strength;
        let n_steps = (2.0 * strength) as usize;
        let expected = Work {
            n_texts: 2,
            n_encoded,
            n_evaluations: 2 * n_steps,
            n_evaluated: 2 * 6 * n_steps,
            n_decoded: 6,
        };
        assert_eq!(work(kind, &simple(many)), expected, "{kind:?} at {strength}");
    }
}

/// Every window shows other pixels, but all windows say the prompt or nothing.
#[test]
fn windows_of_an_outpainting_share_their_texts() {
    let task = Task::Outpaint { sides: Sides::new(0, 24, 0, 0).unwrap(), prompt: Some(prompt("a duck")) };
    let settings = Settings { count: 2, ..settings(TaskKind::Outpaint) };
    let request = EditRequest::new(rgb(50, 60), task, settings, Limits::default()).unwrap();
    let result = model(Kind::Inpainting).edit(&request, &mut Watch::silent()).unwrap();
    let n_windows = result.regions.len();
    assert!(n_windows > 1, "{n_windows}");
    // The first window is the same for both pictures; one window has the prompt, and guidance with it.
    let expected = Work {
        n_texts: 2,
        n_encoded: 1 + 2 * (n_windows - 1),
        n_evaluations: 2 * n_windows,
        n_evaluated: 2 * 2 * (n_windows + 1),
        n_decoded: 2 * n_windows,
    };
    assert_eq!(result.work, expected);
}

#[test]
fn what_changes_nothing_costs_nothing() {
    let picture = rgb(20, 20);
    let empty = Mask::filled(picture.size(), 0);
    assert_eq!(work(Kind::Inpainting, &edit(picture, empty, settings(TaskKind::Edit))), Work::default());
    let mut still = settings(TaskKind::Edit);
    still.sampling.strength = 0.0;
    assert_eq!(work(Kind::Plain, &simple(still)), Work::default());
}

/// The mask decides, not the picture: a large one costs what a small one does.
#[test]
fn the_cost_is_that_of_the_mask() {
    let of = |side: usize| {
        let picture = rgb(side, side);
        let mask = box_mask(picture.size(), Rect::new(side / 2, side / 2, 9, 9));
        let result = model(Kind::Inpainting)
            .edit(&edit(picture, mask, settings(TaskKind::Edit)), &mut Watch::silent());
        let result = result.unwrap();
        (result.work, result.regions[0].width * result.regions[0].height)
    };
    assert_eq!(of(40), of(400));
}
