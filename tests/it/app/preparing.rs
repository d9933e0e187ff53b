//! What is seen and done while the models are being prepared.

use std::sync::mpsc::sync_channel;

use super::*;

#[test]
fn a_box_that_is_drawn_while_the_models_are_prepared_gets_its_mask_when_they_are_ready() {
    let (window, away) = (Window::new(false), Arc::<AtomicBool>::default());
    let data = window.data.clone();
    let (release, released) = sync_channel::<()>(1);
    let load = move |_: &ModelPaths| {
        released.recv_timeout(Duration::from_mins(1)).ok();
        Ok(Stand { weights: "card".to_owned(), slow: false, away: Arc::clone(&away) })
    };
    let mut window = Window::with(window.close(), data.clone(), Service::start_with(load, ModelPaths::default(), || {}).unwrap());
    window.open(&data);
    assert!(window.harness.query_by_label_contains("Preparing the models: ").is_some());

    window.draw_box((20.0, 20.0), (60.0, 60.0));
    window.until("the models are asked", App::is_waiting);
    assert!(matches!(window.app().readiness(), Readiness::Preparing(_)));
    assert!(window.harness.query_by_label("Proposing mask when the models are ready").is_some());
    assert!(window.harness.query_by_label("Boxes that you draw meanwhile are kept and get their masks then").is_some());

    release.send(()).unwrap();
    window.until("the box has a mask", |app| app.state().objects().any(|object| object.shape != Shape::Box));
    assert_eq!(*window.app().readiness(), Readiness::Ready("card".to_owned()));
    assert!(window.harness.query_by_label_contains("Preparing").is_none());
}
