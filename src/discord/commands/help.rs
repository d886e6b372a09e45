//! `/help`: what one can do here, for members and for organisers.

use crate::discord::permissions::is_organiser;
use crate::discord::render::Look;
use crate::discord::reply::{Asked, Context, Failure};

/// What Accord does
#[poise::command(
    slash_command,
    install_context = "Guild",
    interaction_context = "Guild"
)]
pub async fn help(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    let settings = asked.bot.facilitator.store.settings(asked.guild).await?;
    let mut text = asked.wording().say("help-member", &[]);
    if is_organiser(asked.who, &settings) {
        text.push_str("\n\n");
        text.push_str(&asked.wording().say("help-organiser", &[]));
    }
    asked.answer(Look::of(text)).await
}
