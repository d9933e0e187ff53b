//! Objects that are drawn twice.

use super::*;

fn draw(window: &mut Window, rect: Rect) {
    window.perform(Command::AddBox(rect));
}

fn tone(window: &Window) -> Option<Tone> {
    window.app().state().message.as_ref().map(|message| message.tone)
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
