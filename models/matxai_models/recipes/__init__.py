"""The recipes, one file each; :data:`matxai_models.recipe.RECIPES` finds them."""
