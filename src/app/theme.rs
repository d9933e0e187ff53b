//! The looks: a few named colours, from which all of egui's are set, and a colour for each class.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use egui::{Color32, CornerRadius, FontFamily, FontId, Margin, Rgba, Shadow, Stroke, TextStyle, Visuals, vec2};

use super::settings::Look;

/// The named colours of a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    /// Behind the image.
    pub canvas: Color32,
    /// Panels.
    pub panel: Color32,
    /// Fields and cards on a panel.
    pub raised: Color32,
    /// What the pointer is over.
    pub hovered: Color32,
    /// Thin lines.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text of less weight.
    pub weak: Color32,
    /// What is chosen or running.
    pub accent: Color32,
    /// Good news.
    pub good: Color32,
    /// Odd news.
    pub warn: Color32,
    /// Bad news.
    pub bad: Color32,
}

const DARK: Palette = Palette {
    canvas: Color32::from_rgb(15, 17, 21),
    panel: Color32::from_rgb(23, 26, 32),
    raised: Color32::from_rgb(34, 38, 46),
    hovered: Color32::from_rgb(46, 52, 63),
    line: Color32::from_rgb(42, 47, 57),
    text: Color32::from_rgb(222, 226, 234),
    weak: Color32::from_rgb(142, 150, 165),
    accent: Color32::from_rgb(94, 161, 255),
    good: Color32::from_rgb(98, 208, 138),
    warn: Color32::from_rgb(240, 185, 86),
    bad: Color32::from_rgb(247, 108, 108),
};

const LIGHT: Palette = Palette {
    canvas: Color32::from_rgb(214, 217, 223),
    panel: Color32::from_rgb(245, 246, 248),
    raised: Color32::from_rgb(229, 232, 237),
    hovered: Color32::from_rgb(214, 219, 227),
    line: Color32::from_rgb(208, 212, 219),
    text: Color32::from_rgb(31, 35, 43),
    weak: Color32::from_rgb(99, 107, 121),
    accent: Color32::from_rgb(28, 100, 214),
    good: Color32::from_rgb(25, 135, 76),
    warn: Color32::from_rgb(166, 107, 0),
    bad: Color32::from_rgb(200, 48, 48),
};

/// The colours of a look.
pub(super) const fn palette(look: Look) -> &'static Palette {
    match look {
        Look::Dark => &DARK,
        Look::Light => &LIGHT,
    }
}

/// Gives the whole window the look.
pub(super) fn apply(ctx: &egui::Context, look: Look) {
    let colors = palette(look);
    let theme = if look == Look::Dark { egui::Theme::Dark } else { egui::Theme::Light };
    ctx.set_theme(theme);
    ctx.style_mut_of(theme, |style| {
        style.visuals = visuals(look, colors);
        let sizes = [
            (TextStyle::Heading, 19.0, FontFamily::Proportional),
            (TextStyle::Body, 14.0, FontFamily::Proportional),
            (TextStyle::Button, 14.0, FontFamily::Proportional),
            (TextStyle::Small, 11.5, FontFamily::Proportional),
            (TextStyle::Monospace, 12.5, FontFamily::Monospace),
        ];
        style.text_styles = sizes.into_iter().map(|(name, size, family)| (name, FontId::new(size, family))).collect();
        let spacing = &mut style.spacing;
        spacing.item_spacing = vec2(8.0, 6.0);
        spacing.button_padding = vec2(10.0, 4.0);
        spacing.interact_size = vec2(36.0, 26.0);
        spacing.menu_margin = Margin::same(6);
        spacing.window_margin = Margin::same(14);
        spacing.slider_width = 150.0;
        style.interaction.selectable_labels = false;
        style.interaction.tooltip_delay = 0.35;
        style.animation_time = 0.08;
        style.always_scroll_the_only_direction = true;
    });
}

fn visuals(look: Look, colors: &Palette) -> Visuals {
    let mut visuals = if look == Look::Dark { Visuals::dark() } else { Visuals::light() };
    let radius = CornerRadius::same(6);
    visuals.panel_fill = colors.panel;
    visuals.window_fill = colors.panel;
    visuals.window_stroke = Stroke::new(1.0, colors.line);
    visuals.window_corner_radius = CornerRadius::same(10);
    visuals.menu_corner_radius = CornerRadius::same(8);
    visuals.window_shadow = Shadow { offset: [0, 8], blur: 28, spread: 0, color: Color32::from_black_alpha(110) };
    visuals.popup_shadow = Shadow { offset: [0, 4], blur: 14, spread: 0, color: Color32::from_black_alpha(90) };
    visuals.extreme_bg_color = colors.canvas;
    visuals.text_edit_bg_color = Some(colors.canvas);
    visuals.faint_bg_color = colors.raised;
    visuals.code_bg_color = colors.raised;
    visuals.warn_fg_color = colors.warn;
    visuals.error_fg_color = colors.bad;
    visuals.hyperlink_color = colors.accent;
    visuals.weak_text_color = Some(colors.weak);
    visuals.selection.bg_fill = colors.accent.gamma_multiply(0.28);
    visuals.selection.stroke = Stroke::new(1.0, colors.text);
    visuals.slider_trailing_fill = true;
    let widgets = &mut visuals.widgets;
    for (widget, fill, text) in [
        (&mut widgets.noninteractive, colors.panel, colors.text),
        (&mut widgets.inactive, colors.raised, colors.text),
        (&mut widgets.hovered, colors.hovered, colors.text),
        (&mut widgets.active, colors.hovered, colors.text),
        (&mut widgets.open, colors.hovered, colors.text),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = Stroke::NONE;
        widget.fg_stroke = Stroke::new(1.0, text);
        widget.corner_radius = radius;
        widget.expansion = 0.0;
    }
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, colors.line);
    widgets.active.bg_stroke = Stroke::new(1.0, colors.accent);
    visuals
}

/// The first colours of classes and objects.
const FIRST: [Color32; 10] = [
    Color32::from_rgb(86, 180, 255),
    Color32::from_rgb(255, 159, 67),
    Color32::from_rgb(92, 219, 149),
    Color32::from_rgb(255, 107, 129),
    Color32::from_rgb(178, 141, 255),
    Color32::from_rgb(255, 214, 82),
    Color32::from_rgb(64, 214, 214),
    Color32::from_rgb(255, 138, 216),
    Color32::from_rgb(176, 214, 74),
    Color32::from_rgb(229, 152, 120),
];

/// The colour of the `index`th class, or of the `index`th object where each has its own: far from all before it.
pub(super) fn class_color(index: usize) -> Color32 {
    static COLORS: LazyLock<Vec<Color32>> = LazyLock::new(spread);
    COLORS.get(index % COLORS.len()).copied().unwrap_or(FIRST[0])
}

/// The first colours, and then of many others always the one that is farthest from all before it.
fn spread() -> Vec<Color32> {
    const HUES: usize = 48;
    // Lighter than middle grey, darker than a light panel.
    const LIGHTNESS: [f32; 4] = [0.69, 0.74, 0.79, 0.84];
    // Enough to tint a picture without colours, and no louder than the first ones.
    const CHROMA: [f32; 4] = [0.08, 0.115, 0.15, 0.18];
    let of_hue = |hue: f32| LIGHTNESS.into_iter().flat_map(move |lightness| CHROMA.map(|chroma| shown(lightness, chroma, hue)));
    let every = (0..HUES).flat_map(|hue| of_hue(hue as f32 / HUES as f32 * TAU)).flatten();
    let mut left: Vec<(Color32, [f32; 3], f32)> = every
        .map(|color| (color, perceived(color)))
        .map(|(color, place)| (color, place, FIRST.into_iter().map(|first| apart(perceived(first), place)).fold(f32::INFINITY, f32::min)))
        .collect();
    let mut colors = FIRST.to_vec();
    while let Some(farthest) = left.iter().enumerate().max_by(|a, b| a.1.2.total_cmp(&b.1.2)).map(|(index, _)| index) {
        let (color, place, _) = left.swap_remove(farthest);
        for (_, other, nearest) in &mut left {
            *nearest = nearest.min(apart(*other, place));
        }
        colors.push(color);
    }
    colors
}

/// The colour with this lightness, chroma and hue (in radians) in Oklab; `None` where no screen shows it.
fn shown(lightness: f32, chroma: f32, hue: f32) -> Option<Color32> {
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let long = (lightness + 0.3963 * a + 0.2158 * b).powi(3);
    let middle = (lightness - 0.1056 * a - 0.0639 * b).powi(3);
    let short = (lightness - 0.0895 * a - 1.2915 * b).powi(3);
    let light = [
        4.0767 * long - 3.3077 * middle + 0.231 * short,
        -1.2684 * long + 2.6098 * middle - 0.3413 * short,
        -0.0042 * long - 0.7034 * middle + 1.7076 * short,
    ];
    let [red, green, blue] = light;
    light.iter().all(|part| (0.0..=1.0).contains(part)).then(|| Rgba::from_rgb(red, green, blue).into())
}

/// Where a colour stands for the eye: lightness, green to red and blue to yellow of Oklab (Ottosson, 2020).
fn perceived(color: Color32) -> [f32; 3] {
    let light = Rgba::from(color);
    let (red, green, blue) = (light.r(), light.g(), light.b());
    let long = (0.4122 * red + 0.5363 * green + 0.0514 * blue).cbrt();
    let middle = (0.2119 * red + 0.6807 * green + 0.1074 * blue).cbrt();
    let short = (0.0883 * red + 0.2817 * green + 0.63 * blue).cbrt();
    [
        0.2105 * long + 0.7936 * middle - 0.0041 * short,
        1.978 * long - 2.4286 * middle + 0.4506 * short,
        0.0259 * long + 0.7828 * middle - 0.8087 * short,
    ]
}

fn apart(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.into_iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far two colours are from each other in luminance, as a factor (WCAG 2.2).
    fn contrast(a: Color32, b: Color32) -> f32 {
        let [a, b] = [a, b].map(|color| {
            let light = Rgba::from(color);
            0.2126 * light.r() + 0.7152 * light.g() + 0.0722 * light.b() + 0.05
        });
        a.max(b) / a.min(b)
    }

    #[test]
    fn many_classes_have_colours_that_can_be_told_apart() {
        let places: Vec<[f32; 3]> = (0..97).map(|index| perceived(class_color(index))).collect();
        for (index, &place) in places.iter().enumerate() {
            let nearest = places[..index].iter().map(|&other| apart(other, place)).fold(f32::INFINITY, f32::min);
            let least = if index < 40 { 0.061 } else { 0.038 };
            assert!(nearest > least, "{index} is {nearest} from one before it");
        }
        assert_eq!((0..10).map(class_color).collect::<Vec<_>>(), FIRST);
        class_color(usize::MAX);
    }

    #[test]
    fn the_colours_of_many_classes_are_well_visible_and_none_is_loud() {
        for color in (10..97).map(class_color) {
            let [_, a, b] = perceived(color);
            assert!((0.078..0.182).contains(&a.hypot(b)), "{color:?} has chroma {}", a.hypot(b));
            for (ground, least) in [(Color32::from_gray(128), 1.29), (DARK.panel, 5.7), (LIGHT.panel, 1.4)] {
                let found = contrast(color, ground);
                assert!(found > least, "{color:?} stands out from {ground:?} by {found}");
            }
        }
    }
}
