//! Which class each digit gives: those that a person gave digits to have these, and the others among the first nine of the
//! list those of their places. A class has one digit at most.

use super::App;
use super::command::Command;
use super::state::{State, Tone};
use crate::annotation::CategoryId;

impl App {
    /// Carries out a command about digits.
    pub(super) fn perform_on_digit(&mut self, command: &Command) {
        match *command {
            Command::ClassNumber(digit) => self.state.assign_digit(digit),
            Command::SetDigit(class, digit) => self.set_digit(class, digit),
            _ => {}
        }
    }

    fn set_digit(&mut self, class: CategoryId, digit: Option<u8>) {
        if self.is_loading() {
            return;
        }
        let Some(name) = self.state.class(Some(class)).map(|class| class.name.clone()) else { return };
        self.state.document.set_digit(class, digit);
        let text = match self.state.digit_of(class) {
            Some(digit) => format!("{} gives {name} now", self.state.key(&Command::ClassNumber(digit))),
            None => format!("{name} has no key any more"),
        };
        self.state.say(Tone::Plain, text);
    }
}

impl State {
    /// The class that a digit gives.
    pub fn class_of_digit(&self, digit: u8) -> Option<CategoryId> {
        let digits = self.document.digits();
        let usual = || {
            let place = usize::from(digit).checked_sub(1)?;
            let class = self.document.dataset().categories.get(place)?.id;
            digits.values().all(|&given| given != class).then_some(class)
        };
        digits.get(&digit).copied().or_else(usual)
    }

    /// The digit that gives a class.
    pub(super) fn digit_of(&self, class: CategoryId) -> Option<u8> {
        (1..=9).find(|&digit| self.class_of_digit(digit) == Some(class))
    }

    fn assign_digit(&mut self, digit: u8) {
        match self.class_of_digit(digit) {
            Some(id) => self.assign(id),
            None if self.document.dataset().categories.len() < usize::from(digit) => {
                let key = self.key(&Command::SearchClass);
                self.say(Tone::Warning, format!("There is no class {digit}; {key} makes one"));
            }
            None => self.say(Tone::Warning, format!("No class has the key {digit}; a right click on one gives it")),
        }
    }
}
