//! Objects that are there twice.

use annotator::annotation::InstanceId;
use annotator::app::object::Act;
use annotator::assist::Scribble;

use super::*;

const PLACE: Rect = Rect::new(20.0, 20.0, 50.0, 40.0);
const BESIDE: Rect = Rect { x: 21.0, ..PLACE };

fn draw(window: &mut Window, rect: Rect) {
    window.perform(Command::AddBox(rect));
}

fn tone(window: &Window) -> Option<Tone> {
    window.app().state().message.as_ref().map(|message| message.tone)
}

fn ids(window: &Window) -> Vec<InstanceId> {
    window.app().state().objects().map(|object| object.id).collect()
}

fn paint(window: &mut Window, target: Option<InstanceId>, rect: Rect) {
    window.perform(Command::Paint(target, Shape::from_mask(&ellipse(Size::new(120, 80), rect))));
}

/// Copies these objects, and pastes them onto another image that has objects in these places.
fn paste_onto(window: &mut Window, image: usize, copied: &[InstanceId], present: &[Rect]) {
    window.perform(Command::Select(copied.to_vec()));
    window.perform(Command::Act(Act::Copy));
    window.perform(Command::GoTo(image));
    window.until("the image is shown", App::is_image_ready);
    for &rect in present {
        draw(window, rect);
    }
    window.perform(Command::Act(Act::Paste));
}

#[test]
fn a_box_that_is_drawn_over_another_is_said_and_stays() {
    let mut window = Window::unasked(true);
    draw(&mut window, Rect::new(70.0, 10.0, 20.0, 20.0));
    draw(&mut window, Rect::new(10.0, 10.0, 40.0, 30.0));
    assert_eq!(window.says(), "");
    draw(&mut window, Rect::new(11.0, 11.0, 40.0, 30.0));
    assert_eq!(window.says(), "Nearly the same as object 2 (object): Ctrl+Z takes it back");
    assert_eq!((window.objects(), tone(&window)), (3, Some(Tone::Warning)));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 2);
    draw(&mut window, Rect::new(10.0, 10.0, 25.0, 30.0));
    assert_eq!(window.says(), "", "a part of another object is none");
    window.perform(Command::AddPolygon([(70.0, 10.0), (90.0, 10.0), (90.0, 30.0), (70.0, 30.0)].map(|(x, y)| Point::new(x, y)).to_vec()));
    assert!(window.says().starts_with("Nearly the same as object 1"), "{}", window.says());
}

#[test]
fn a_box_that_is_resized_or_moved_onto_another_is_said_until_it_lies_elsewhere() {
    let mut window = Window::unasked(true);
    draw(&mut window, PLACE);
    draw(&mut window, Rect { width: 25.0, ..PLACE });
    assert_eq!(window.says(), "");
    let (second, said) = (ids(&window)[1], "Nearly the same as object 1 (object): Ctrl+Z takes it back");
    window.perform(Command::Reshape(second, BESIDE));
    assert_eq!((window.says().as_str(), tone(&window)), (said, Some(Tone::Warning)));
    window.perform(Command::Move(second, Point::new(45.0, 0.0)));
    assert_eq!(window.says(), "");
    window.perform(Command::Move(second, Point::new(-45.0, 0.0)));
    assert_eq!((window.says().as_str(), tone(&window)), (said, Some(Tone::Warning)));
}

#[test]
fn what_is_hidden_is_no_duplicate() {
    let mut window = Window::unasked(true);
    draw(&mut window, Rect::new(10.0, 10.0, 40.0, 30.0));
    let id = window.app().state().objects().next().unwrap().id;
    window.perform(Command::SetHidden(id, true));
    draw(&mut window, Rect::new(10.0, 10.0, 40.0, 30.0));
    assert_eq!(window.says(), "");
}

#[test]
fn a_proposal_of_a_mask_that_is_there_is_said_and_del_deletes_it() {
    let mut window = Window::new(false);
    draw(&mut window, Rect::new(20.0, 20.0, 50.0, 40.0));
    window.answered();
    assert_eq!(window.says(), "1 mask proposed: Enter accepts, G refines");
    draw(&mut window, Rect::new(21.0, 20.0, 50.0, 40.0));
    window.answered();
    let said = "Object 2 is nearly the same as object 1 (object): Del deletes it. 1 mask proposed: Enter accepts, G refines";
    assert_eq!((window.says().as_str(), tone(&window)), (said, Some(Tone::Warning)));
    window.press(Key::Delete);
    assert_eq!(window.objects(), 1);
}

#[test]
fn objects_that_are_pasted_over_others_are_counted() {
    let mut window = Window::unasked(true);
    let far = [Rect::new(80.0, 20.0, 30.0, 40.0), Rect::new(2.0, 2.0, 15.0, 15.0)];
    for rect in [PLACE, far[0], far[1]] {
        draw(&mut window, rect);
    }
    let copied = ids(&window);
    let near = Rect { y: 21.0, ..far[0] };
    paste_onto(&mut window, 1, &copied, &[BESIDE, near]);
    assert_eq!(window.says(), "2 of 3 pasted objects nearly repeat others here: Ctrl+Z takes all back");
    assert_eq!((window.objects(), tone(&window)), (5, Some(Tone::Warning)));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 2);
    window.perform(Command::Select(vec![ids(&window)[1]]));
    window.perform(Command::Delete);
    window.perform(Command::Act(Act::Paste));
    assert_eq!(window.says(), "1 of 3 pasted objects nearly repeats another here: Ctrl+Z takes all back");

    window.perform(Command::GoTo(0));
    paste_onto(&mut window, 2, &copied[..1], &[]);
    assert_eq!((window.says().as_str(), tone(&window)), ("1 object pasted", Some(Tone::Plain)), "it is no duplicate of itself");
    window.key(Modifiers::COMMAND, Key::Z);
    draw(&mut window, BESIDE);
    window.perform(Command::Act(Act::Paste));
    assert_eq!(window.says(), "Nearly the same as object 1 (object): Ctrl+Z takes it back");
}

#[test]
fn masks_by_the_brush_are_said_as_long_as_they_are_there_twice() {
    let mut window = Window::unasked(true);
    paint(&mut window, None, PLACE);
    let first = ids(&window)[0];
    paint(&mut window, Some(first), BESIDE);
    assert_eq!(window.says(), "", "it is no duplicate of what it was");
    paint(&mut window, None, PLACE);
    assert_eq!(window.says(), "Nearly the same as object 1 (object): Ctrl+Z takes it back");
    assert_eq!(tone(&window), Some(Tone::Warning));
    let second = ids(&window)[1];
    paint(&mut window, Some(second), Rect { width: 25.0, ..PLACE });
    assert_eq!(window.says(), "");
    paint(&mut window, Some(second), PLACE);
    assert_eq!(window.says(), "Object 2 is nearly the same as object 1 (object): Del deletes it");
    window.press(Key::Delete);
    assert_eq!(ids(&window), [first]);
}

#[test]
fn a_mask_by_the_wand_that_is_there_is_said() {
    let mut window = Window::unasked(true);
    let wand = Command::Wand(None, Point::new(100.0, 30.0), true);
    window.perform(wand.clone());
    assert_eq!((window.objects(), window.says().as_str()), (1, ""));
    window.perform(wand);
    assert_eq!((window.objects(), tone(&window)), (2, Some(Tone::Warning)));
    assert_eq!(window.says(), "Nearly the same as object 1 (object): Ctrl+Z takes it back");
}

#[test]
fn another_mask_of_an_object_that_repeats_one_is_said() {
    let mut window = Window::new(false);
    for rect in [PLACE, Rect::new(80.0, 20.0, 30.0, 40.0)] {
        draw(&mut window, rect);
        window.answered();
    }
    assert_eq!(tone(&window), Some(Tone::Plain));
    let second = ids(&window)[1];
    window.perform(Command::Select(vec![second]));
    let said = "Object 2 is nearly the same as object 1 (object): Del deletes it. ";
    window.perform(Command::Reshape(second, BESIDE));
    window.answered();
    assert!(window.says().starts_with(&format!("{said}A new mask in this box")), "{}", window.says());
    let stroke = Scribble { points: vec![Point::new(45.0, 40.0)], radius_px: 2.0, inside: false };
    window.perform(Command::Scribble(Some(second), stroke));
    window.answered();
    assert!(window.says().starts_with(&format!("{said}Corrected")), "{}", window.says());
    assert_eq!(tone(&window), Some(Tone::Warning));
}

#[test]
fn masks_that_come_in_the_background_and_are_there_are_said() {
    let is_done = |app: &App| app.state().batch.is_none();
    let mut window = Window::unasked(false);
    draw(&mut window, PLACE);
    draw(&mut window, BESIDE);
    let first = ids(&window)[0];
    window.perform(Command::Select(vec![first]));
    window.perform(Command::ProposeAll);
    window.until("all are seen to", is_done);
    let said = "Object 2 is nearly the same as object 1 (object): select it, and Del deletes it. 2 masks proposed in the background";
    assert_eq!((window.says().as_str(), tone(&window)), (said, Some(Tone::Warning)));
    assert_eq!(window.app().state().selection, [first]);

    window.perform(Command::GoTo(1));
    window.until("the image is shown", App::is_image_ready);
    draw(&mut window, PLACE);
    draw(&mut window, BESIDE);
    window.perform_at_once(vec![Command::Propose, Command::GoTo(2)]);
    window.until("the masks come", is_done);
    assert_eq!(window.says(), "2 masks proposed in the background; one on another image nearly repeats an object there");
    assert_eq!(tone(&window), Some(Tone::Warning));
}
