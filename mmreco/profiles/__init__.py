"""What a shop knows of its shoppers, in words and numbers, and the groups that follow from it."""

from mmreco.profiles.affinities import Affinities, affinities
from mmreco.profiles.clusters import Clusters, clusters
from mmreco.profiles.facets import Facet, facets
from mmreco.profiles.lifecycle import LifeStages, life_stages, next_purchases, recency_frequency_money
from mmreco.profiles.profile import Profiles, profile
from mmreco.profiles.propensity import purchase_propensity
from mmreco.profiles.segments import high_value, interested, lookalikes
from mmreco.profiles.words import user_words

__all__ = [
    "Affinities",
    "Clusters",
    "Facet",
    "LifeStages",
    "Profiles",
    "affinities",
    "clusters",
    "facets",
    "high_value",
    "interested",
    "life_stages",
    "lookalikes",
    "next_purchases",
    "profile",
    "purchase_propensity",
    "recency_frequency_money",
    "user_words",
]
